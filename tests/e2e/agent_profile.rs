//! `correlate` with `profile: agent`, on data that the agent's policy and its baseline speak of.

use serde_json::Value;

use crate::project::{Project, checkout, worker};

const AGENT: &str = "\n    uses: correlate\n    with: {profile: agent}\n";

#[test]
fn severities_that_the_policy_raised_and_repeated_ids_pass_every_check() {
    worker("pipe-data");
    let read = |path: &str| std::fs::read_to_string(checkout().join(path)).unwrap();
    let project = Project::with_pipeline(&read("pipelines/data.yaml").replace("\n    uses: correlate\n", AGENT));
    let report = "pipelines/data/reports/debian12_scanner_v6.json";
    project.write(report, &read(report));
    project.run_json(&["-S", "hosts=12", "-S", "scans_per_host=4"], 0);
    for gate in ["verified", "gate"] {
        let verification: Value =
            serde_json::from_str(&project.read(&format!("out/data/{gate}/verification.json"))).unwrap();
        for check in ["coverage", "scores", "history"] {
            let found = verification["checks"].as_array().unwrap().iter().find(|found| found["name"] == check);
            assert_ne!(found.unwrap()["status"], "failed", "{gate}: {verification}");
        }
    }
    let findings: Vec<Value> = project
        .read("out/data/correlations/findings.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let raised: Vec<&Value> = findings.iter().filter(|finding| finding["severity_before_policy"].is_string()).collect();
    assert!(!raised.is_empty() && raised.iter().all(|finding| finding["severity"] == "high"));
    let repeated = |finding: &Value| finding["baseline_count"].as_u64() > finding["earlier_scans"].as_u64();
    assert!(findings.iter().any(repeated), "no id stands twice in a scan");
}
