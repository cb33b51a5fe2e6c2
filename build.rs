//! Writes the two tables about the kinds that ship with the engine: their cards under `schemas/cards/`, which `src/plan/cards.rs`
//! includes, and the digests of their sources under `stages/`, which `src/plan/code.rs` includes. An absent directory gives an
//! empty table, so that the first build, which generates the cards, works too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What the tensor worker computes with; its kinds give something else when this moves.
const LIBTORCH: &str = "scripts/libtorch.lock";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let directory = root.join("schemas").join("cards");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", directory.display());

    let mut cards = entries(&directory);
    cards.retain(|path| path.extension().is_some_and(|extension| extension == "json"));

    let mut crates = Crates { root: &root, digests: BTreeMap::new() };
    let (mut table, mut digests) = (String::from("&[\n"), String::from("&[\n"));
    for path in &cards {
        println!("cargo::rerun-if-changed={}", path.display());
        let kind = path.file_stem().expect("it has an extension").to_string_lossy();
        writeln!(table, "    ({kind:?}, include_str!({:?})),", path.display().to_string())
            .expect("writing to a String");
        if let Some(digest) = crates.kind(&kind, &read(path)) {
            writeln!(digests, "    ({kind:?}, {:?}),", digest.as_bytes()).expect("writing to a String");
        }
    }
    table.push_str("]\n");
    digests.push_str("]\n");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("cards.rs"), table).expect("OUT_DIR is writable");
    fs::write(out.join("code.rs"), digests).expect("OUT_DIR is writable");
}

/// The crates under `stages/` and what was found of them. Names are relative to `root` and sorted, and times do not count, so every
/// checkout of one commit gives the same digests.
struct Crates<'a> {
    root: &'a Path,
    digests: BTreeMap<String, blake3::Hash>,
}

impl Crates<'_> {
    /// The digest of all sources behind a kind; `None` when its crate is not here.
    fn kind(&mut self, kind: &str, card: &[u8]) -> Option<blake3::Hash> {
        if !self.directory(kind).is_dir() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        for name in self.closure(kind) {
            let digest = self.digest(&name);
            add(&mut hasher, name.as_bytes());
            hasher.update(digest.as_bytes());
        }
        if card.windows(12).any(|text| text == br#""pipe-torch""#) {
            let lock = self.root.join(LIBTORCH);
            println!("cargo::rerun-if-changed={}", lock.display());
            add(&mut hasher, LIBTORCH.as_bytes());
            add(&mut hasher, &read(&lock));
        }
        Some(hasher.finalize())
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.root.join("stages").join(name)
    }

    /// A crate and everything under `stages/` that it is built from, sorted.
    fn closure(&self, name: &str) -> Vec<String> {
        let mut found = vec![name.to_owned()];
        let mut next = 0;
        while let Some(name) = found.get(next) {
            let manifest = read(&self.directory(name).join("Cargo.toml"));
            for dependency in dependencies(&String::from_utf8_lossy(&manifest)) {
                if self.directory(&dependency).is_dir() && !found.contains(&dependency) {
                    found.push(dependency);
                }
            }
            next += 1;
        }
        found.sort();
        found
    }

    /// The digest of one crate's own files.
    fn digest(&mut self, name: &str) -> blake3::Hash {
        if let Some(known) = self.digests.get(name) {
            return *known;
        }
        let directory = self.directory(name);
        let mut pending = sources(&directory);
        for path in &pending {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        let mut files = Vec::new();
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(sources(&path));
            } else {
                files.push(path);
            }
        }
        files.sort();
        let mut hasher = blake3::Hasher::new();
        for path in &files {
            let name = path.strip_prefix(&directory).expect("it was found below");
            add(&mut hasher, name.as_os_str().as_encoded_bytes());
            add(&mut hasher, &read(path));
        }
        let digest = hasher.finalize();
        self.digests.insert(name.to_owned(), digest);
        digest
    }
}

/// The names in the sections of a manifest that a build links or runs: `name.workspace = true` and `name = ...`.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut counts = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            counts = matches!(line, "[dependencies]" | "[build-dependencies]");
        } else if let (true, Some(end)) = (counts, line.find(['.', ' ', '='])) {
            names.push(line[..end].to_owned());
        }
    }
    names
}

/// What lies in a directory of sources, without tests and what editors leave there: neither changes what a stage gives.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = entries(directory);
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !matches!(&*name, "tests" | "tests.rs" | "benches") && !name.starts_with('.') && !name.ends_with('~')
    });
    found
}

/// What lies in a directory, sorted; nothing where there is none.
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

/// Adds bytes so that no two sequences of them read the same.
fn add(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}
