//! `schemas/rules.json` is generated from the type of a rule, and the files of rules are held against it.

use std::path::{Path, PathBuf};

use rules::field::FIELDS;
use rules::rule::Rule;
use serde_json::Value;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_schema_is_that_of_the_type() {
    let path = root("schemas/rules.json");
    let text = serde_json::to_string_pretty(&schemars::schema_for!(Vec<Rule>)).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "stale: run it with UPDATE_SCHEMAS=1");
}

#[test]
fn every_file_of_rules_follows_it_and_a_typo_does_not() {
    let schema: Value = serde_json::from_slice(&std::fs::read(root("schemas/rules.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(root("crates/rules/rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let rules: Value = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let wrong: Vec<String> = validator.iter_errors(&rules).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
            files += 1;
        }
    }
    assert_eq!(files, 9);
    let typo = serde_json::json!([{"id": "a", "titel": "b"}]);
    assert!(!validator.is_valid(&typo));
}

#[test]
fn the_page_about_rules_names_every_field() {
    let page = std::fs::read_to_string(root("crates/rules/rules/README.md")).unwrap();
    for (name, _) in FIELDS {
        assert!(page.contains(&format!("`{name}`")), "`{name}` is not in rules/README.md");
    }
}
