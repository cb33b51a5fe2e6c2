//! `schemas/` is generated from the Rust types; a stale file fails here. `UPDATE_SCHEMAS=1` writes them anew.

use std::collections::BTreeMap;
use std::process::Command;

use pipe::report::schemas::SCHEMAS;
use serde_json::Value;

use crate::project::{checkout, worker};

/// Compares each document with the file of its name, or writes it.
fn check(documents: BTreeMap<String, Value>) {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut stale = Vec::new();
    for (name, document) in documents {
        let path = checkout().join("schemas").join(&name);
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if update {
            std::fs::write(&path, text).unwrap();
        } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; run UPDATE_SCHEMAS=1 cargo test --test e2e schemas twice and look at the diff"
    );
}

#[test]
fn cards_are_those_of_the_workers() {
    let mut documents = BTreeMap::new();
    for name in ["pipe-data", "pipe-torch"] {
        let output = Command::new(worker(name)).arg("cards").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for card in serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap() {
            assert_eq!(card["worker"]["program"], name);
            documents.insert(format!("cards/{}.json", card["kind"].as_str().unwrap()), card);
        }
    }
    let committed = std::fs::read_dir(checkout().join("schemas/cards")).unwrap();
    for entry in committed {
        let name = format!("cards/{}", entry.unwrap().file_name().into_string().unwrap());
        assert!(documents.contains_key(&name), "{name} belongs to no worker");
    }
    check(documents);
}

#[test]
fn contracts_are_those_of_the_types() {
    let documents = SCHEMAS.iter().map(|schema| (format!("{}.json", schema.name), schema.document().unwrap()));
    check(documents.collect());
}
