//! Writes the two tables about the kinds that ship with the engine: their cards under `schemas/cards/`, which `src/plan/cards.rs`
//! includes, and the digests of the code behind them, which `src/plan/cards/code.rs` includes. An absent directory gives an empty
//! table, so that the first build, which generates the cards, works too.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "build/code.rs"]
mod code;
#[path = "build/items.rs"]
mod items;

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let directory = root.join("schemas").join("cards");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={}", directory.display());

    let mut cards = entries(&directory);
    cards.retain(|path| path.extension().is_some_and(|extension| extension == "json"));

    let mut workspace = code::Workspace::read(&root);
    let (mut table, mut digests) = (String::from("&[\n"), String::new());
    for path in &cards {
        println!("cargo::rerun-if-changed={}", path.display());
        let kind = path.file_stem().expect("it has an extension").to_string_lossy();
        writeln!(table, "    ({kind:?}, include_str!({:?})),", path.display().to_string())
            .expect("writing to a String");
        if let Some(digest) = workspace.digest(&kind) {
            writeln!(digests, "{kind} {digest}").expect("writing to a String");
        }
    }
    table.push_str("]\n");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("cards.rs"), table).expect("OUT_DIR is writable");
    fs::write(out.join("code.txt"), digests).expect("OUT_DIR is writable");
}

/// The entries of a directory, sorted; empty where there is none.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = match fs::read_dir(directory) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    found.sort();
    found
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
