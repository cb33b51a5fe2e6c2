//! Reports that were damaged, in their bytes or in their values: a short error or a valid report, never a panic.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use scan::Report;
use serde_json::{Value, json};

static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
    std::fs::read(path).unwrap()
});

/// Bytes of address space that this process had at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix(" kB")).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

proptest! {
    #[test]
    fn damaged_bytes_give_an_error_or_a_report_that_reads_back(
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\"{}[],:0-9e.nt\\ \x00\xff".to_vec())), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = REAL.clone();
        for (place, byte) in &damage {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let before = peak();
        let parsed = Report::parse(&bytes);
        prop_assert!(peak() - before < 128 << 20);
        match parsed {
            Err(error) => prop_assert!(error.to_string().starts_with("at "), "{error}"),
            Ok((report, _)) => {
                let mut written = Vec::new();
                report.write_to(&mut written).unwrap();
                prop_assert_eq!(Report::parse(&written).unwrap().0, report);
            }
        }
    }
}

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/scanner/v2.json");
    jsonschema::validator_for(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).unwrap()
});

/// A replacement for a value.
fn strange() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from("x".repeat(1 << 16))),
        Just(json!([])),
        Just(json!({})),
        (1..200usize).prop_map(|depth| (0..depth).fold(json!(1), |inner, _| json!([inner]))),
    ]
}

/// Every place of a document, as pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                places(inner, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, inner)| places(inner, &format!("{at}/{n}"), all)),
        _ => {}
    }
}

static PLACES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = Vec::new();
    places(&serde_json::from_slice(&REAL).unwrap(), "", &mut all);
    all
});

fn findings(document: &Value) -> usize {
    let results = document["results"].as_array().into_iter().flatten();
    results.map(|result| result["findings"].as_array().map_or(0, Vec::len)).sum()
}

proptest! {
    #[test]
    fn damaged_values_give_a_short_error_or_a_valid_report_with_every_finding(
        damage in prop::collection::vec((any::<prop::sample::Index>(), strange()), 1..3),
        added in prop::option::of(("[a-z_]{1,12}", strange(), any::<prop::sample::Index>())),
    ) {
        let mut document: Value = serde_json::from_slice(&REAL).unwrap();
        for (place, value) in damage {
            if let Some(place) = document.pointer_mut(&PLACES[place.index(PLACES.len())]) {
                *place = value;
            }
        }
        if let Some((key, value, place)) = added
            && let Some(Value::Object(map)) = document.pointer_mut(&PLACES[place.index(PLACES.len())])
        {
            map.insert(key, value);
        }
        match Report::parse(document.to_string().as_bytes()) {
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.starts_with("at ") && error.len() < 1_000, "{error}");
            }
            Ok((report, changes)) => {
                prop_assert_eq!(report.findings().count(), findings(&document));
                prop_assert!(changes.to_string().len() < 20_000);
                let mut written = Vec::new();
                report.write_to(&mut written).unwrap();
                let written: Value = serde_json::from_slice(&written).unwrap();
                let problems: Vec<_> = SCHEMA.iter_errors(&written).map(|e| e.to_string()).collect();
                prop_assert_eq!(problems, Vec::<String>::new());
            }
        }
    }
}

#[test]
fn what_appears_twice_is_refused_and_not_lost() {
    let text = String::from_utf8(REAL.clone()).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        let error = Report::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("\"severity\":", "\"severity\": \"low\", \"severity\":", "duplicate field `severity`");
    check("\"metadata\": {", "\"metadata\":{\"x\":\"1\",\"x\":\"2\",", "metadata key `x` appears twice");
    let mut document: Value = serde_json::from_slice(&REAL).unwrap();
    document["summary_extension"]["compliance_summary"] = json!({"other": 1});
    let error = Report::parse(document.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("at /compliance_summary: differs"), "{error}");
}

#[test]
fn a_schema_that_is_no_string_is_refused() {
    let mut document: Value = serde_json::from_slice(&REAL).unwrap();
    for strange in [json!(null), json!(7), json!([])] {
        document["meta"]["$schema"] = strange;
        let error = Report::parse(document.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("at /meta/$schema: a string is required here"), "{error}");
    }
    document["meta"].as_object_mut().unwrap().remove("$schema");
    Report::parse(document.to_string().as_bytes()).unwrap();
}

#[test]
fn what_is_nested_too_deep_to_be_read_back_is_refused_where_it_lies() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let (mut read, mut refused) = (0, 0);
    for depth in 110..130 {
        let mut document: Value = serde_json::from_slice(&REAL).unwrap();
        document["compliance_summary"] = json!({"deep": nested(depth)});
        match Report::parse(document.to_string().as_bytes()) {
            Ok((report, _)) => {
                read += 1;
                let mut written = Vec::new();
                report.write_to(&mut written).unwrap();
                assert_eq!(Report::parse(&written).unwrap().0, report, "depth {depth}");
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("at /compliance_summary"), "{error}");
            }
        }
    }
    assert!(read > 5 && refused > 2, "{read} read, {refused} refused");
}
