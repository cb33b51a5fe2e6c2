//! The figures of the risk formula in profile `agent`, from a report to the findings that are published.
//!
//! `raw` = 5 impact + 3 exposure + 2 anomaly; risk = raw / 63 * 100; probability = 1 / (1 + exp(3 - 0.15 raw)). The figures
//! below were computed by hand from these and the tables of weights, not by any code of ours.

use serde_json::Value;

use crate::project::{Project, checkout, worker};

const PIPELINE: &str = "pipeline: risk
stages:
  scans: {uses: ingest, in: {reports: {path: reports}}}
  correlations: {uses: correlate, in: {scans: scans}, with: {profile: agent}}
";

/// Scanner, id, then risk and probability where no scan before holds it (anomaly 2) and where three do (anomaly 0.33: the agent rounds 1/3 to two digits).
const BY_HAND: [(&str, &str, u64, f64, u64, f64); 13] = [
    // Impact 1. That it runs from /opt is no matter to the agent.
    ("processes", "1", 14, 0.1611, 9, 0.1042),
    ("processes", "812", 14, 0.1611, 9, 0.1042),
    // Impact 2 * 1.3 and exposure 1: it listens. Then impact 1.3: it does not.
    ("network", "tcp:443:9001", 32, 0.5, 26, 0.3773),
    ("network", "tcp:50110:9002", 17, 0.1939, 11, 0.1272),
    // Impact 3 * 1.1, 4 * 1.2.
    ("kernel_params", "/proc/sys/kernel/randomize_va_space", 33, 0.5187, 27, 0.3951),
    ("modules", "odd", 44, 0.7685, 39, 0.668),
    // Impact 2 and 3: the agent knows no category of this name, and no exposure.
    ("suid_sgid", "/usr/bin/passwd", 22, 0.2891, 17, 0.1977),
    ("suid_sgid", "/usr/bin/odd", 30, 0.4626, 25, 0.3428),
    ("world_writable", "/usr/bin/odd", 38, 0.6457, 33, 0.5247),
    // Impact 5 * 2, 2 * 2. That only a name matched takes nothing away.
    ("ioc", "/tmp/odd:812", 86, 0.9939, 80, 0.99),
    ("ioc", "/usr/bin/bot:813", 38, 0.6457, 33, 0.5247),
    ("mac", "mac_none", 38, 0.6457, 33, 0.5247),
    // Impact 2: of kernel parameters the agent knows only the other scanner.
    ("kernel_hardening", "kernel:tpm:absent", 22, 0.2891, 17, 0.1977),
];

#[test]
fn the_profile_agent_gives_the_figures_that_its_formula_gives_by_hand() {
    worker("pipe-data");
    let project = Project::with_pipeline(PIPELINE);
    let report = std::fs::read_to_string(checkout().join("tests/fixtures/agent/report.json")).unwrap();
    for day in 1..=4 {
        let of_day = report.replace("2026-01-01T", &format!("2026-01-0{day}T"));
        project.write(&format!("reports/{day}.json"), &of_day);
    }
    project.run_json(&[], 0);
    let lines = project.read("out/risk/correlations/findings.jsonl");
    let findings: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings.len(), 4 * BY_HAND.len());
    for (scanner, id, new_risk, new_probability, old_risk, old_probability) in BY_HAND {
        let of_scan = |scan: u64| -> (u64, f64) {
            let it = |f: &&Value| f["scan"] == scan && f["scanner"] == scanner && f["id"] == id;
            let finding = findings.iter().find(it).unwrap_or_else(|| panic!("{scanner} {id} in scan {scan}"));
            (finding["risk_score"].as_u64().unwrap(), finding["probability_actionable"].as_f64().unwrap())
        };
        assert_eq!(of_scan(0), (new_risk, new_probability), "{scanner} {id}, new");
        assert_eq!(of_scan(3), (old_risk, old_probability), "{scanner} {id}, seen three times");
    }
}
