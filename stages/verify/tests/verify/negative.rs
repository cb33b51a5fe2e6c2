//! The example of the earlier pipeline, which its own schema refuses in 84 places.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use verify::schema::{GROUND_TRUTH, SCANNER_REPORT, Schema};
use verify::{CheckName, Status};

use crate::workplace::{Workplace, text};

fn checkout(path: &str) -> String {
    text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path))
}

fn example() -> String {
    checkout("stages/verify/tests/fixtures/synthetic_ground_truth_example.json")
}

/// The pointers of all violations, by the independent implementation.
fn reference(schema: &str, document: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let mut pointers: Vec<String> =
        validator.iter_errors(&document).map(|error| error.instance_path().to_string()).collect();
    pointers.sort_unstable();
    pointers
}

fn pointers(schema: &Schema, document: &str) -> Vec<String> {
    let mut pointers: Vec<String> = schema.mismatches(document).into_iter().map(|found| found.pointer).collect();
    pointers.sort_unstable();
    pointers
}

#[test]
fn all_84_violations_are_listed_in_report_and_summary() {
    let workplace = Workplace::new();
    std::fs::create_dir(workplace.path("documents/old")).unwrap();
    std::fs::write(workplace.path("documents/old/0000.json"), example()).unwrap();
    let (result, report) = workplace.verify(&[("documents", contract::Type::DOCUMENTS)]);
    assert!(result.unwrap_err().message.contains("84 wrong"));
    let schema = report.check(CheckName::Schema).unwrap();
    assert_eq!((schema.status, schema.violation_count, schema.violations.len()), (Status::Failed, 84, 84));
    let told: BTreeSet<&str> = schema.violations.iter().map(|violation| violation.pointer.as_str()).collect();
    let wanted = reference(&checkout("schemas/ground_truth_schema.json"), &example());
    assert_eq!(told, wanted.iter().map(String::as_str).collect());
    assert_eq!(wanted.len(), 84);
    let summary = text(&workplace.path("summary"));
    assert!(wanted.iter().all(|pointer| summary.contains(&format!("documents/old/0000 {pointer}: "))));
    // Everything else is as good as before.
    let failed = report.checks.iter().filter(|check| check.status == Status::Failed);
    assert_eq!(failed.map(|check| check.name).collect::<Vec<_>>(), [CheckName::Schema]);
}

/// Every value of a document replaced by one of each kind, and every key left out, one at a time.
fn mutants(document: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    collect(document, String::new(), &mut places);
    let mut mutants = Vec::new();
    for place in places.iter().filter(|place| !place.is_empty()) {
        for value in
            [Value::Null, true.into(), (-1).into(), 101.into(), 0.5.into(), 1.0.into(), "x".into(), "info".into()]
        {
            let mut mutant = document.clone();
            *mutant.pointer_mut(place).unwrap() = value;
            mutants.push(mutant);
        }
        for value in [Value::Array(vec![1.into()]), serde_json::json!({"x~/y": 1})] {
            let mut mutant = document.clone();
            *mutant.pointer_mut(place).unwrap() = value;
            mutants.push(mutant);
        }
        let (parent, key) = place.rsplit_once('/').unwrap();
        let mut mutant = document.clone();
        if let Some(object) = mutant.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(&key.replace("~1", "/").replace("~0", "~"));
            mutants.push(mutant);
        }
    }
    mutants
}

fn collect(value: &Value, pointer: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            collect(value, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), places);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, format!("{pointer}/{index}"), places));
        }
        _ => {}
    }
    places.push(pointer);
}

fn agrees(name: &str, schema: &Schema, document: &Value) {
    let text = checkout(name);
    let reader: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&reader).unwrap();
    let mut found = 0;
    for mutant in mutants(document) {
        let mut wanted: Vec<String> =
            validator.iter_errors(&mutant).map(|error| error.instance_path().to_string()).collect();
        wanted.sort_unstable();
        assert_eq!(pointers(schema, &mutant.to_string()), wanted, "{mutant}");
        found += wanted.len();
    }
    assert!(found > 100, "{found} violations among the mutants");
}

#[test]
fn documents_and_reports_with_one_change_are_refused_where_the_reference_refuses_them() {
    let workplace = Workplace::new();
    let document: Value = serde_json::from_str(&text(&workplace.path("documents/beta/0001.json"))).unwrap();
    agrees("schemas/ground_truth_schema.json", &GROUND_TRUTH, &document);
    let mut report: Value = serde_json::from_str(&text(&workplace.path("scans/beta/0001.json"))).unwrap();
    report["collection_warnings"] =
        serde_json::json!([{"scanner": "a", "code": "b"}, {"scanner": "a", "message": "b"}]);
    report["scanner_errors"] = serde_json::json!([{"scanner": "a", "message": "b"}]);
    agrees("schemas/scanner/v2.json", &SCANNER_REPORT, &report);
}

#[test]
fn text_that_is_no_json_is_one_violation() {
    for text in ["", "{", "{}x", "[1,"] {
        let found = GROUND_TRUTH.mismatches(text);
        assert!(
            found.iter().any(|mismatch| mismatch.pointer.is_empty() && mismatch.message.contains("no JSON")),
            "{text}"
        );
    }
}

#[test]
fn a_keyword_that_is_not_understood_is_refused() {
    let schema = serde_json::json!({"properties": {"a": {"pattern": "x"}}});
    assert!(Schema::compile(&schema).unwrap_err().contains("`pattern`"));
}
