//! Profile `agent` against the agent: what it gave itself for four hosts (`fixtures/agent`), and what a second statement of its rules
//! in Python (`tests/reference/agent_risk.py`) gives for those and for a simulated fleet.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::{Context, Digest, Job, JobInput, Kind, Limits, Stage, Type};
use correlate::Correlate;
use findings::{BaselineStatus, EnrichedFinding};
use produce::{Produce, ProduceParams};
use scan::{Scans, Severity};
use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agent")
}

fn run<S: Stage>(directory: &Path, params: &Value, scans: Option<&Path>, ports: [&str; 2]) -> [PathBuf; 2] {
    let input =
        |path: &Path| JobInput { label: None, path: path.to_owned(), artifact: Type::SCANS, digest: Digest::of(b"") };
    let outputs = ports.map(|port| directory.join(port));
    let job = Job {
        kind: S::card().kind.to_string(),
        version: S::card().version,
        params: params.clone(),
        inputs: scans.map(|path| ("scans".to_owned(), vec![input(path)])).into_iter().collect(),
        outputs: ports.map(str::to_owned).into_iter().zip(outputs.clone()).collect(),
        scratch: directory.to_owned(),
        checkpoints: directory.to_owned(),
        limits: Limits { threads: 2, memory: 0 },
        trace: "test".into(),
    };
    (Kind::of::<S>().run)(params, &Context::new(job, Box::new(std::io::sink()))).unwrap();
    outputs
}

/// A result for one finding, as both Python programs write it.
struct Expected {
    severity: Severity,
    risk: u8,
    probability: f64,
    status: String,
    /// Impact, exposure and anomaly, as shares of their caps.
    shares: [f64; 3],
}

fn expected(line: &str) -> Expected {
    let fields: Vec<&str> = line.split('\t').collect();
    let [severity, risk, probability, status, impact, exposure, anomaly] = fields[..] else { panic!("{line}") };
    let number = |text: &str| text.parse::<f64>().unwrap();
    let share = |text: &str, cap: f64| (number(text) / cap * 1e4).round_ties_even() / 1e4;
    Expected {
        severity: serde_json::from_value(severity.into()).unwrap(),
        risk: risk.parse().unwrap(),
        probability: number(probability),
        status: status.to_owned(),
        shares: [share(impact, 10.0), share(exposure, 3.0), share(anomaly, 2.0)],
    }
}

/// Runs the stage on `scans` and compares each finding with its line of `results`, which are in the order of the reports.
fn compare(scans: &Path, results: &str) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let params = json!({"profile": "agent", "suspect_at": 45});
    let [findings, _] = run::<Correlate>(directory.path(), &params, Some(scans), ["findings", "correlations"]);
    let findings = std::fs::read_to_string(findings).unwrap();
    let mut given = findings.lines().map(|line| serde_json::from_str::<EnrichedFinding>(line).unwrap());
    let mut results = results.lines();
    let mut count = 0;
    for file in &Scans::open(scans).unwrap() {
        let report = file.read().unwrap();
        let mut wanted: Vec<_> =
            report.findings().map(|(scanner, finding)| (scanner, finding, expected(results.next().unwrap()))).collect();
        wanted.sort_by(|(a, x, _), (b, y, _)| (a, &x.id).cmp(&(b, &y.id)));
        for (scanner, finding, wanted) in wanted {
            let given = given.next().unwrap();
            let place = format!("{}/{:04} {scanner} {:?}: {given:?}", file.host, file.scan, finding.id);
            assert_eq!((given.scanner.as_str(), &given.id), (scanner, &finding.id), "{place}");
            assert_eq!((given.risk_score, given.probability_actionable), (wanted.risk, wanted.probability), "{place}");
            let severity = if wanted.severity == Severity::Error { Severity::Info } else { wanted.severity };
            assert_eq!((given.severity, given.stated_severity()), (severity, finding.severity), "{place}");
            assert_eq!(given.baseline_status == BaselineStatus::New, wanted.status == "new", "{place}");
            let parts = given.risk_subscores;
            assert_eq!(
                ([parts.impact, parts.exposure, parts.anomaly], parts.confidence),
                (wanted.shares, 1.0),
                "{place}"
            );
            count += 1;
        }
    }
    assert!(given.next().is_none() && results.next().is_none(), "a line too many");
    count
}

/// What the agent gave for the scans of the fixtures, by host and scan.
fn agents_own() -> String {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(fixtures().join("expected")).unwrap() {
        let path = entry.unwrap().path();
        files.insert(path.clone(), std::fs::read_to_string(path).unwrap());
    }
    let lines = files.values().flat_map(|text| text.lines().skip(1));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What the Python statement gives; nothing where there is no Python.
fn restated(scans: &Path) -> Option<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/agent_risk.py");
    let output = match Command::new("python3").arg("-I").arg(program).arg(scans).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_finding_has_the_risk_and_the_probability_that_the_agent_gave() {
    // 702 of simulated hosts, 555 of the edges of its rules.
    assert_eq!(compare(&fixtures().join("scans"), &agents_own()), 1257);
}

#[test]
fn the_python_statement_of_the_rules_agrees_with_the_agent() {
    if let Some(restated) = restated(&fixtures().join("scans")) {
        assert_eq!(restated, agents_own());
    }
}

#[test]
fn a_simulated_fleet_has_the_risk_of_the_python_statement() {
    let directory = tempfile::tempdir().unwrap();
    let params = ProduceParams { seed: 20, hosts: 24, scans_per_host: 6, attack_rate: 0.6, ..ProduceParams::default() };
    let params = serde_json::to_value(params).unwrap();
    let [scans, _] = run::<Produce>(directory.path(), &params, None, ["scans", "truth"]);
    if let Some(restated) = restated(&scans) {
        assert!(compare(&scans, &restated) > 10_000);
    }
}
