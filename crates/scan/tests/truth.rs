//! `schemas/truth.json` is generated from the type of a line.

use std::fs;
use std::path::Path;

#[test]
fn the_schema_of_a_line_is_the_committed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/truth.json");
    let schema = schemars::schema_for!(scan::truth::TruthLine).to_value();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "stale: run UPDATE_SCHEMAS=1 cargo test -p scan --test truth and look at the diff");
}
