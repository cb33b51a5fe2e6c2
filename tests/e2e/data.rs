//! `pipelines/data.yaml`: simulated scans, real ones, and both, to documents and training text.

use std::path::Path;

use serde_json::Value;

use crate::project::{Project, checkout, expected, outcomes, worker};

const SMALL: [&str; 2] = ["-S", "hosts=6"];

fn text() -> String {
    std::fs::read_to_string(checkout().join("pipelines/data.yaml")).unwrap()
}

fn project(pipeline: &str) -> Project {
    worker("pipe-data");
    let project = Project::with_pipeline(pipeline);
    let report = "pipelines/data/reports/debian12_scanner_v6.json";
    project.write(report, &std::fs::read_to_string(checkout().join(report)).unwrap());
    project
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The digest of every output of a run, by stage and port.
fn digests(report: &Value) -> Vec<(String, Value)> {
    let stages = report["stages"].as_object().unwrap();
    let ports = |(stage, entry): (&String, &Value)| {
        let outputs = entry["outputs"].as_object().unwrap().clone();
        let stage = stage.clone();
        outputs.into_iter().map(move |(port, output)| (format!("{stage}.{port}"), output["digest"].clone()))
    };
    stages.iter().flat_map(ports).collect()
}

#[test]
fn another_seed_makes_other_scans_and_leaves_the_real_ones() {
    let project = project(&text());
    let first = project.run_json(&SMALL, 0);
    assert_eq!(json(&project.path("out/data/verified/verification.json"))["overall_status"], "passed");
    assert!(project.path("out/data/dataset/documents/host-a/0000.json").is_file());
    assert!(outcomes(&project.run_json(&SMALL, 0)).iter().all(|(_, outcome)| outcome == "hit"));
    let other = project.run_json(&["-S", "hosts=6", "-S", "seed=43"], 0);
    for ((port, before), (_, after)) in digests(&first).iter().zip(digests(&other)) {
        let same = *before == after;
        assert_eq!(same, port == "real.scans", "{port}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let threads = |n: u32| text().replace("\n    uses:", &format!("\n    resources: {{cpus: {n}}}\n    uses:"));
    let project = project(&threads(1));
    let one = project.run_json(&SMALL, 0);
    project.write("p.yaml", &threads(8));
    // Resources are not part of a key, so only a refresh runs it again.
    let stages = ["scans", "real", "correlations", "verified", "dataset"];
    let refresh: Vec<&str> = stages.iter().flat_map(|stage| ["--refresh", stage]).collect();
    let many = project.run_json(&[&SMALL[..], &refresh[..]].concat(), 0);
    assert!(outcomes(&many).iter().all(|(_, outcome)| outcome == "ran"), "{many}");
    assert_eq!(digests(&one), digests(&many));
}

#[test]
fn real_reports_alone_go_the_whole_way() {
    let pipeline = r#"pipeline: real
stages:
  scans: {uses: ingest, in: {reports: {path: pipelines/data/reports}}}
  correlations: {uses: correlate, in: {scans: scans}}
  verified:
    uses: verify
    in: {scans: scans, findings: correlations.findings, correlations: correlations.correlations}
  dataset:
    uses: transform
    in: {findings: correlations.findings, correlations: correlations.correlations, verification: verified.verification}
"#;
    let project = project(pipeline);
    let stages = ["scans", "correlations", "verified", "dataset"];
    assert_eq!(project.outcomes(&[]), expected(&stages.map(|stage| (stage, "ran"))));
    let document = json(&project.path("out/real/dataset/documents/host-a/0000.json"));
    assert_eq!(document["enriched_findings"].as_array().unwrap().len(), 118);
}

#[test]
fn stages_can_use_the_jobserver_of_their_launch() {
    let project = project(&text());
    project.run_json(&SMALL, 0);
    for stage in ["real", "scans", "correlations", "verified", "dataset"] {
        let log = project.pipe(&["logs", stage]).stdout;
        assert!(log.contains(" threads worked at once"), "{stage}: {log}");
        assert!(!log.contains("jobserver"), "{stage}: {log}");
    }
}
