//! The report to the byte, and its schema.

use contract::{Digest, Type};
use scan::Scans;
use schemars::schema_for;
use serde_json::json;
use verify::{OnFailed, VerificationReport};

use crate::workplace::{AFTER, BEFORE, Workplace, report};

/// The digest of the report that version 11 gives for [`fixed`].
const GOLDEN: &str = "9d05a6ba3fc72a620998468ff6d7a2f0edf9e2fd6eecd2d2f0813bfc835c967c";

/// Input that neither the rules of `correlate` nor the wording of `transform` moves: scans in which nothing is joined, the
/// earlier pipeline's document, and a training set written here.
fn fixed() -> Workplace {
    let mut workplace = Workplace::empty();
    workplace.params.on_failed = OnFailed::Report;
    let writer = Scans::create(&workplace.path("scans")).unwrap();
    for host in ["a", "bb", "ccc"] {
        writer.write(host, 0, &report(host, "9", false)).unwrap();
        writer.write(host, 1, &report(host, "9", false)).unwrap();
    }
    workplace.correlate();
    workplace.tell_truth(|finding| finding["host"] == "bb" && finding["scanner"] == "suid_sgid");
    let old = include_str!("../fixtures/synthetic_ground_truth_example.json");
    std::fs::create_dir_all(workplace.path("documents/old")).unwrap();
    std::fs::write(workplace.path("documents/old/0000.json"), old).unwrap();
    std::fs::create_dir_all(workplace.path("dataset")).unwrap();
    let splits =
        [("train", "a", "one two three four 5"), ("validation", "bb", "one two three four 66"), ("test", "ccc", "x")];
    let mut manifest = json!({"splits": {}, "ties": {"limit": 8}});
    for (split, host, question) in splits {
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let messages = [message("system", "s"), message("user", question), message("assistant", "answer")];
        let line = json!({"messages": messages, "task": "finding", "host": host}).to_string() + "\n";
        std::fs::write(workplace.path(&format!("dataset/{split}.jsonl")), &line).unwrap();
        let lines = json!({
            "file": format!("{split}.jsonl"), "examples": 1, "blake3": Digest::of(line.as_bytes()).to_string(),
        });
        manifest["splits"][split] = json!({"lines": lines, "hosts": [host]});
    }
    manifest["calibration"] = manifest["splits"]["train"]["lines"].clone();
    std::fs::write(workplace.path("dataset/manifest.json"), manifest.to_string()).unwrap();
    workplace
}

fn digests(workplace: &Workplace, inputs: &[(&str, Type)]) -> Vec<String> {
    let digest = |threads| {
        workplace.try_verify(inputs, threads).unwrap();
        Digest::of(&std::fs::read(workplace.path("verification")).unwrap()).to_string()
    };
    [1, 2, 8].map(digest).to_vec()
}

#[test]
fn the_report_on_fixed_input_is_the_same_to_the_byte() {
    let told = digests(&fixed(), &[&BEFORE[..], &AFTER].concat());
    assert_eq!(told, [GOLDEN; 3], "output moved: raise the card's version");
}

#[test]
fn the_number_of_threads_moves_no_byte() {
    let told = digests(&Workplace::new(), &[&BEFORE[..], &AFTER].concat());
    assert!(told.iter().all(|digest| *digest == told[0]), "{told:?}");
}

#[test]
fn the_schema_of_the_report_is_that_of_its_type() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/verification.json");
    let schema = serde_json::to_string_pretty(&schema_for!(VerificationReport)).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), schema, "stale: run the test with UPDATE_SCHEMAS=1");
}

#[test]
fn the_report_is_what_its_schema_says() {
    let workplace = Workplace::new();
    workplace.try_verify(&[&BEFORE[..], &AFTER].concat(), 2).unwrap();
    let schema = serde_json::to_value(schema_for!(VerificationReport)).unwrap();
    let report = serde_json::from_slice(&std::fs::read(workplace.path("verification")).unwrap()).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}
