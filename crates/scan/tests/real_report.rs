//! The scanner's own report against our vocabulary: read, normalized, written, and every severity reproduced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scan::profile::{Profile, SeverityCounts};
use scan::rules::{HostContext, severity_of};
use scan::{Report, Severity};
use serde_json::{Value, json};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn real_path() -> PathBuf {
    root("pipelines/data/reports/debian12_scanner_v6.json")
}

fn json_at(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_rules_reproduce_every_severity() {
    let report = Report::read(&real_path()).unwrap();
    let host = HostContext { container: true, apparmor: false };
    let mut reproduced = 0;
    for (scanner, finding) in report.findings() {
        assert_eq!(severity_of(scanner, finding, host), Some(finding.severity), "{scanner} {}", finding.id);
        reproduced += 1;
    }
    assert_eq!(reproduced, 118);
}

#[test]
fn on_a_host_that_is_no_container_the_same_mac_findings_are_high() {
    let report = Report::read(&real_path()).unwrap();
    for finding in report.of_scanner("mac") {
        assert_eq!(severity_of("mac", finding, HostContext::default()), Some(Severity::High), "{}", finding.id);
    }
}

#[test]
fn it_becomes_valid_and_keeps_every_finding_and_figure() {
    let schema = jsonschema::validator_for(&json_at(&root("schemas/scanner/v2.json"))).unwrap();
    let before = json_at(&real_path());
    assert!(!schema.is_valid(&before), "the scanner's own output fails its schema; else this test shows nothing");

    let (report, changes) = Report::read_noting(&real_path()).unwrap();
    let mut bytes = Vec::new();
    report.write_to(&mut bytes).unwrap();
    let after: Value = serde_json::from_slice(&bytes).unwrap();
    let problems: Vec<_> = schema.iter_errors(&after).map(|e| e.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());

    assert_eq!((changes.scores_from_text, changes.risk_filled), (118, 118));
    assert_eq!((changes.compliance_moved, changes.keys_left_out.len()), (1, 0));
    // The trimmed report was recounted by hand; our counts agree with it.
    assert_eq!(changes.counts_corrected, 0);
    assert_eq!(after["summary"], before["summary"]);
    assert_eq!(after["meta"], before["meta"]);
    assert_eq!(after["summary_extension"]["total_risk_score"], json!(3020));
    assert_eq!(after["summary_extension"]["compliance_summary"], before["compliance_summary"]);

    let findings = |document: &Value| -> Vec<Value> {
        let results = document["results"].as_array().unwrap().iter();
        results.flat_map(|r| r["findings"].as_array().unwrap().clone()).collect()
    };
    let (before, after) = (findings(&before), findings(&after));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let score: u64 = before["base_severity_score"].as_str().unwrap().parse().unwrap();
        let mut expected = before.clone();
        expected["base_severity_score"] = json!(score);
        expected["risk_score"] = json!(score);
        assert_eq!(*after, expected);
    }
}

#[test]
fn a_written_report_reads_back_unchanged_and_gives_the_same_bytes() {
    let report = Report::read(&real_path()).unwrap();
    let mut first = Vec::new();
    report.write_to(&mut first).unwrap();
    let (again, changes) = Report::parse(&first).unwrap();
    assert_eq!(again, report);
    assert_eq!(changes, scan::Changes::default());
    let mut second = Vec::new();
    again.write_to(&mut second).unwrap();
    assert_eq!(first, second);
}

#[test]
fn errors_name_the_place() {
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut document = json_at(&real_path());
        change(&mut document);
        let error = Report::parse(document.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nhas not\n{expected}");
    };
    check(&|d| d["results"][1]["findings"][2]["severity"] = json!("grave"), "/results/1/findings/2/severity: unknown");
    check(&|d| d["results"][0]["findings"][0]["base_severity_score"] = json!("300"), "/results/0/findings/0/base_");
    check(&|d| d["meta"]["hostname"] = json!(7), "/meta/hostname: a string");
    check(&|d| d["meta"]["json_schema_version"] = json!("3"), "/meta/json_schema_version: schema version \"2\"");
    check(&|d| d["extra/key"] = json!(1), "unknown field `extra/key`");
    check(&|d| d["collection_warnings"][1] = json!({"scanner": "x"}), "/collection_warnings/1: a warning has");
    check(&|d| *d = json!([]), "the document");
    let truncated = &std::fs::read(real_path()).unwrap()[..5000];
    assert!(Report::parse(truncated).unwrap_err().to_string().contains("EOF"));
}

#[test]
fn scanner_errors_and_partial_warnings_survive() {
    let mut document = json_at(&real_path());
    document["scanner_errors"] = json!([{"scanner": "yara", "message": "no rules"}]);
    document["partial_warnings"] = json!([{"scanner": "network", "message": "cut at 1000"}]);
    document["results"][2]["finding_count"] = json!(9);
    let (report, changes) = Report::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(report.scanner_errors[0].message, "no rules");
    assert_eq!(report.collection_warnings.len(), 4);
    assert_eq!((changes.warnings_joined, changes.counts_corrected), (1, 1));
    assert!(changes.to_string().contains("1 partial warnings joined"), "{changes}");
}

#[test]
fn no_real_finding_departs_from_the_profile_and_its_counts_are_the_reports() {
    let report = Report::read(&real_path()).unwrap();
    let profile = Profile::reference();
    let mut counts = BTreeMap::<&str, SeverityCounts>::new();
    for (scanner, finding) in report.findings() {
        assert_eq!(profile.departures(scanner, finding), [], "{scanner} {}", finding.id);
        *counts.entry(scanner).or_default().entry(finding.severity).or_default() += 1;
    }
    for (scanner, reference) in profile.scanners() {
        assert_eq!(counts.get(scanner).unwrap_or(&SeverityCounts::new()), &reference.real, "{scanner}");
    }
}
