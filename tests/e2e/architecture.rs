//! The column "may use" of ARCHITECTURE.md matches the code: between the folders of `src`, and between the crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The word for permission to use everything.
const EVERYTHING: &str = "everything";

/// A row of the map.
#[derive(Debug)]
struct Row {
    /// `src/plan`.
    places: Vec<String>,
    /// The names in its last column.
    uses: BTreeSet<String>,
}

fn map() -> Vec<Row> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| *line != "| place | what it is for | may use |").skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let row = |row: &str| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [places, _, uses] = cells[..] else { panic!("three cells: {row}") };
        let uses: BTreeSet<String> = uses.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(uses.iter().all(is_name), "names, with commas between them: {row}");
        let places = places.split('`').skip(1).step_by(2).flat_map(expanded);
        Row { places: places.map(|place| place.trim_end_matches('/').to_owned()).collect(), uses }
    };
    let map: Vec<Row> = rows.map(row).collect();
    assert!(!map.is_empty());
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

/// The statements of the map about users that are not true. Each has the names that the user uses, with a file that does.
fn falsehoods(used: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<String> {
    let map = map();
    let mut problems = Vec::new();
    for (user, names) in used {
        match map.iter().find(|row| row.places.contains(user)) {
            None => problems.push(format!("{user} has no row")),
            Some(row) if row.uses.contains(EVERYTHING) => {}
            Some(row) => {
                let forbidden = names.iter().filter(|(name, _)| !row.uses.contains(*name));
                problems.extend(forbidden.map(|(name, file)| format!("{user} may not use `{name}`, and {file} does")));
            }
        }
    }
    for row in map.iter().filter(|row| !row.uses.contains(EVERYTHING)) {
        let users: Vec<_> = row.places.iter().filter_map(|place| used.get(place)).collect();
        let unused = row.uses.iter().filter(|name| *name != "-" && !users.iter().any(|it| it.contains_key(*name)));
        if !users.is_empty() {
            problems.extend(unused.map(|name| format!("{:?} may use `{name}`, and nothing there does", row.places)));
        }
    }
    problems
}

#[test]
fn folders_of_src_use_only_what_the_map_says() {
    let mut used = BTreeMap::new();
    let folders: BTreeSet<String> = entries(&root().join("src")).iter().map(|path| stem(path)).collect();
    for path in entries(&root().join("src")).iter().filter(|path| !["lib", "main"].contains(&stem(path).as_str())) {
        let own = stem(path);
        let names: &mut BTreeMap<_, _> = used.entry(format!("src/{own}")).or_default();
        for file in sources(path) {
            for name in imports(&production(&fs::read_to_string(&file).unwrap())) {
                if name != own && (folders.contains(&name) || name == "contract") {
                    names.entry(name).or_insert_with(|| shown(&file));
                }
            }
        }
    }
    let problems = falsehoods(&used);
    assert!(problems.is_empty(), "ARCHITECTURE.md:\n{}", problems.join("\n"));
}

#[test]
fn no_circle_leads_through_folders_of_src() {
    let rows = map().into_iter().flat_map(|row| row.places.into_iter().map(move |place| (place, row.uses.clone())));
    let folders = rows.filter_map(|(place, uses)| Some((place.strip_prefix("src/")?.to_owned(), uses)));
    let mut open: BTreeMap<String, BTreeSet<String>> = folders.collect();
    while let Some(leaf) = open.iter().find(|(_, uses)| !uses.iter().any(|name| open.contains_key(name))) {
        let leaf = leaf.0.clone();
        open.remove(&leaf);
    }
    assert!(open.is_empty(), "a circle in ARCHITECTURE.md: {open:#?}");
}

#[test]
fn crates_use_only_what_the_map_says() {
    let crates: Vec<PathBuf> = ["stages", "crates", "backends"]
        .iter()
        .flat_map(|folder| entries(&root().join(folder)))
        .filter(|path| path.join("Cargo.toml").is_file())
        .collect();
    let names: BTreeSet<String> = crates.iter().map(|path| stem(path)).collect();
    let used = crates.iter().map(|path| {
        let manifest = path.join("Cargo.toml");
        let needs = dependencies(&fs::read_to_string(&manifest).unwrap());
        let ours = needs.into_iter().filter(|name| names.contains(name)).map(|name| (name, shown(&manifest)));
        (shown(path), ours.collect())
    });
    let problems = falsehoods(&used.collect());
    assert!(problems.is_empty(), "ARCHITECTURE.md:\n{}", problems.join("\n"));
    let engine = dependencies(&fs::read_to_string(root().join("Cargo.toml")).unwrap());
    let linked: Vec<_> = engine.iter().filter(|name| names.contains(*name)).collect();
    assert_eq!(linked, ["contract", "places"], "the engine links no stage");
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
