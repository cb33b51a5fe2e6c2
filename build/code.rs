//! The digest of the code behind a kind. It depends on the code, not on where the code lies.
//!
//! A kind is the crate of its name (a few share one, [`SHARED`]) and everything that crate is built from, as cargo's metadata says: packages of this workspace,
//! wherever they lie, and the requirements on packages of others. The digest is of a set: the items of all Rust sources (see
//! [`crate::items`]), the other files by their content, the requirements. A crate, a file or a function that moves changes none of
//! these. A text change to any of them does, and so does code that a kind is linked with anew or no longer.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::items::Part;
use crate::{entries, items, read};

/// The bindings to libtorch, and the file that says which libtorch: kinds built on the first depend on the second.
const LIBTORCH: (&str, &str) = ("tch", "scripts/libtorch.lock");

/// Kinds that have no crate of their own, and the one that they lie in.
const SHARED: [(&str, &str); 1] = [("export", "quantize")];

/// The packages of the workspace.
pub(crate) struct Workspace<'a> {
    root: &'a Path,
    packages: BTreeMap<String, Package>,
    parts: BTreeMap<String, BTreeSet<Part>>,
}

struct Package {
    directory: PathBuf,
    /// Packages of this workspace that it is built from.
    ours: Vec<String>,
    /// The requirements on packages of others, as text.
    others: BTreeSet<String>,
    uses_libtorch: bool,
}

impl<'a> Workspace<'a> {
    /// Asks cargo, which resolves what members inherit. With `--no-deps` it reads manifests only: no network, no lock, tens of
    /// milliseconds.
    pub(crate) fn read(root: &'a Path) -> Workspace<'a> {
        let cargo = env::var_os("CARGO").expect("cargo sets CARGO");
        let words = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
        let output = Command::new(cargo).args(words).current_dir(root).output().expect("cargo can be started");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
        println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
        let packages: BTreeMap<String, Package> =
            list(&metadata["packages"]).map(|package| (text(&package["name"]), Package::of(package))).collect();
        Workspace { root, packages, parts: BTreeMap::new() }
    }

    /// The digest of the code behind a kind; `None` when its crate is not here.
    pub(crate) fn digest(&mut self, kind: &str) -> Option<blake3::Hash> {
        let shared = SHARED.iter().find(|(known, _)| *known == kind);
        // The kind's name tells it from the one whose crate it shares.
        let mut parts: BTreeSet<Part> = shared.map(|(kind, _)| items::part(kind.as_bytes())).into_iter().collect();
        for name in self.closure(shared.map_or(kind, |(_, name)| name))? {
            parts.extend(self.parts(&name).iter().copied());
            let package = &self.packages[&name];
            parts.extend(package.others.iter().map(|text| items::part(text.as_bytes())));
            if package.uses_libtorch {
                let lock = self.root.join(LIBTORCH.1);
                println!("cargo::rerun-if-changed={}", lock.display());
                parts.insert(items::part(&read(&lock)));
            }
        }
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&part);
        }
        Some(hasher.finalize())
    }

    /// A package and everything of this workspace that it is built from.
    fn closure(&self, kind: &str) -> Option<BTreeSet<String>> {
        self.packages.get(kind)?;
        let (mut found, mut pending) = (BTreeSet::new(), vec![kind.to_owned()]);
        while let Some(name) = pending.pop() {
            if let Some(package) = self.packages.get(&name)
                && found.insert(name)
            {
                pending.extend(package.ours.iter().cloned());
            }
        }
        Some(found)
    }

    /// The digests of the files of one package.
    fn parts(&mut self, name: &str) -> &BTreeSet<Part> {
        if !self.parts.contains_key(name) {
            let parts = read_parts(&self.packages[name].directory);
            self.parts.insert(name.to_owned(), parts);
        }
        &self.parts[name]
    }
}

impl Package {
    fn of(package: &Value) -> Package {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let directory = manifest.parent().expect("a manifest lies in a directory").to_owned();
        let (mut ours, mut others, mut uses_libtorch) = (Vec::new(), BTreeSet::new(), false);
        // Null is the kind of an ordinary dependency. A dependency of tests alone does not change a result.
        for dependency in list(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev") {
            let name = text(&dependency["name"]);
            uses_libtorch |= name == LIBTORCH.0;
            if dependency["path"].is_string() {
                ours.push(name);
            } else {
                let [version, features, defaults] =
                    ["req", "features", "uses_default_features"].map(|key| &dependency[key]);
                others.insert(format!("{name} {version} {features} {defaults}"));
            }
        }
        Package { directory, ours, others, uses_libtorch }
    }
}

/// The digests of the files in the directory of a package.
fn read_parts(directory: &Path) -> BTreeSet<Part> {
    println!("cargo::rerun-if-changed={}", directory.join("Cargo.toml").display());
    let mut pending = sources(directory);
    for path in &pending {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let mut parts = BTreeSet::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            parts.extend(items::digests(&String::from_utf8_lossy(&read(&path))));
        } else {
            parts.insert(items::part(&read(&path)));
        }
    }
    parts
}

/// The sources in a directory, without files that do not change a stage's outputs: tests, examples, texts for people, files that
/// editors leave. The manifest is read through cargo.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = entries(directory);
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !matches!(&*name, "tests" | "tests.rs" | "benches" | "examples" | "Cargo.toml")
            && !name.ends_with(".md")
            && !name.starts_with('.')
            && !name.ends_with('~')
    });
    found
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().expect("cargo's metadata has a text here").to_owned()
}
