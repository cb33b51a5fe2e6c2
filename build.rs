//! Embeds the cards under `schemas/cards/`: writes the table that `src/plan/cards.rs` includes. An absent directory gives an
//! empty table, so that the first build, which generates the cards, works too.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let directory = root.join("schemas").join("cards");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", directory.display());

    let mut cards: Vec<PathBuf> = match fs::read_dir(&directory) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    cards.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    cards.sort();

    let mut table = String::from("&[\n");
    for path in &cards {
        println!("cargo::rerun-if-changed={}", path.display());
        let kind = path.file_stem().expect("it has an extension").to_string_lossy();
        writeln!(table, "    ({kind:?}, include_str!({:?})),", path.display().to_string())
            .expect("writing to a String");
    }
    table.push_str("]\n");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("cards.rs"), table).expect("OUT_DIR is writable");
}
