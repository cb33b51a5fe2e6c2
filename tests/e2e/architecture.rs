//! The column "may use" of ARCHITECTURE.md is what the code does: between the folders of `src`, and between the crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What may use everything.
const EVERYTHING: &str = "everything";

/// By a place of the map, such as `src/plan`: the names in its last column.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| *line != "| place | what it is for | may use |").skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let mut map = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [places, _, uses] = cells[..] else { panic!("three cells: {row}") };
        let uses: BTreeSet<String> = uses.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(uses.iter().all(is_name), "names, with commas between them: {row}");
        for place in places.split('`').skip(1).step_by(2).flat_map(expanded) {
            map.insert(place.trim_end_matches('/').to_owned(), uses.clone());
        }
    }
    assert!(map.contains_key("src/engine"), "{map:?}");
    map
}

/// `stages/{scan,embed}` as `stages/scan` and `stages/embed`.
fn expanded(place: &str) -> Vec<String> {
    let Some((before, rest)) = place.split_once('{') else { return vec![place.to_owned()] };
    let (names, after) = rest.split_once('}').expect("a closing brace");
    names.split(',').map(|name| format!("{before}{}{after}", name.trim())).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Complains about what `user` uses and may not, and returns what it may use without doing so.
fn compare(map: &BTreeMap<String, BTreeSet<String>>, user: &str, used: &BTreeMap<String, String>) -> Vec<String> {
    let Some(allowed) = map.get(user) else { return vec![format!("{user} has no row")] };
    if allowed.contains(EVERYTHING) {
        return Vec::new();
    }
    let forbidden = used.iter().filter(|(name, _)| !allowed.contains(*name));
    forbidden.map(|(name, place)| format!("{user} may not use `{name}`, and {place} does")).collect()
}

#[test]
fn folders_of_src_use_only_what_the_map_says() {
    let map = map();
    let mut problems = Vec::new();
    let folders: BTreeSet<String> = entries(&root().join("src")).iter().map(|path| stem(path)).collect();
    for path in entries(&root().join("src")).iter().filter(|path| !["lib", "main"].contains(&stem(path).as_str())) {
        let own = stem(path);
        let mut used = BTreeMap::new();
        for file in sources(path) {
            for name in imports(&production(&fs::read_to_string(&file).unwrap())) {
                if name != own && (folders.contains(&name) || name == "contract") {
                    used.entry(name).or_insert_with(|| shown(&file));
                }
            }
        }
        problems.extend(compare(&map, &format!("src/{own}"), &used));
    }
    assert!(problems.is_empty(), "ARCHITECTURE.md:\n{}", problems.join("\n"));
}

#[test]
fn no_circle_leads_through_folders_of_src() {
    let map = map();
    let folders = map.iter().filter_map(|(place, uses)| Some((place.strip_prefix("src/")?.to_owned(), uses.clone())));
    let mut open: BTreeMap<String, BTreeSet<String>> = folders.collect();
    while let Some(leaf) = open.iter().find(|(_, uses)| !uses.iter().any(|name| open.contains_key(name))) {
        let leaf = leaf.0.clone();
        open.remove(&leaf);
    }
    assert!(open.is_empty(), "a circle in ARCHITECTURE.md: {open:#?}");
}

#[test]
fn crates_use_only_what_the_map_says() {
    let map = map();
    let crates: Vec<PathBuf> = ["stages", "crates", "backends"]
        .iter()
        .flat_map(|folder| entries(&root().join(folder)))
        .filter(|path| path.join("Cargo.toml").is_file())
        .collect();
    let names: BTreeSet<String> = crates.iter().map(|path| stem(path)).collect();
    let mut problems = Vec::new();
    for path in &crates {
        let manifest = path.join("Cargo.toml");
        let needs = dependencies(&fs::read_to_string(&manifest).unwrap());
        let used = needs.into_iter().filter(|name| names.contains(name)).map(|name| (name, shown(&manifest)));
        problems.extend(compare(&map, &shown(path), &used.collect()));
    }
    assert!(problems.is_empty(), "ARCHITECTURE.md:\n{}", problems.join("\n"));
    let engine = dependencies(&fs::read_to_string(root().join("Cargo.toml")).unwrap());
    let linked: Vec<_> = engine.iter().filter(|name| names.contains(*name)).collect();
    assert_eq!(linked, ["contract"], "the engine links no stage");
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// The Rust files at `path`, those that hold only tests left out.
fn sources(path: &Path) -> Vec<PathBuf> {
    if stem(path) == "tests" {
        return Vec::new();
    }
    match path.extension() {
        Some(extension) if extension == "rs" => vec![path.to_owned()],
        _ => entries(path).iter().flat_map(|entry| sources(entry)).collect(),
    }
}

/// The code of a file, without comments and without the module of tests at its end.
fn production(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The folders and crates that paths in `code` begin with: `crate::X`, `crate::{X, Y}`, `contract::`.
fn imports(code: &str) -> BTreeSet<String> {
    let identifier = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => names.extend([identifier(after)]),
            Some(group) => {
                let group = group.split("};").next().unwrap();
                names.extend(group.split(',').map(|name| identifier(name.trim())));
            }
        }
    }
    let begins_a_path = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    if code.match_indices("contract::").any(|(at, _)| begins_a_path(&code[..at])) {
        names.insert("contract".to_owned());
    }
    names
}

/// The names that a manifest depends on, not for its tests alone.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if ["[dependencies]", "[build-dependencies]"].contains(&section) {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}
