//! The stage on what `produce` simulates: the same bytes at 1, 2 and 8 threads, from the first stage to the second, and the
//! golden digests of both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, Stage, Type};
use correlate::Correlate;
use findings::EnrichedFinding;
use produce::{Produce, ProduceParams};
use scan::Scans;
use serde_json::{Value, json};

/// Enough hosts to be compared with each other, and enough scans for history and reboots.
fn sample() -> ProduceParams {
    ProduceParams { seed: 7, hosts: 150, scans_per_host: 2, attack_rate: 0.5, ..ProduceParams::default() }
}

/// The digest of the scans. Where it moves, those of [`GOLDEN`] do so too, and `correlate` need not have changed.
const SCANS: &str = "1200e9cfc9";

/// Of findings and correlations. Where they move and the scans did not, the same input gives other bytes: raise the card's version.
const GOLDEN: [&str; 2] = ["6acf6a969e", "afd118895a"];

fn run<S: Stage>(
    directory: &Path,
    params: &Value,
    inputs: BTreeMap<String, Vec<JobInput>>,
    ports: [&str; 2],
    threads: u32,
) -> [PathBuf; 2] {
    let outputs = ports.map(|port| directory.join(port));
    let job = Job {
        kind: S::card().kind.to_string(),
        version: S::card().version,
        params: params.clone(),
        inputs,
        outputs: ports.map(str::to_owned).into_iter().zip(outputs.clone()).collect(),
        scratch: directory.to_owned(),
        checkpoints: directory.to_owned(),
        limits: Limits { threads, memory: 0 },
        trace: "test".into(),
    };
    (Kind::of::<S>().run)(params, &Context::new(job, Box::new(std::io::sink()))).unwrap();
    outputs
}

/// Runs both stages: the scans, findings and correlations.
fn correlated(directory: &Path, params: ProduceParams, threads: u32) -> [PathBuf; 3] {
    let params = serde_json::to_value(params).unwrap();
    let [scans, _] = run::<Produce>(directory, &params, BTreeMap::new(), ["scans", "truth"], threads);
    let input = JobInput { label: None, path: scans.clone(), artifact: Type::SCANS, digest: Digest::of(b"") };
    let params = json!({"profile": "intended", "suspect_at": 40});
    let inputs = BTreeMap::from([("scans".to_owned(), vec![input])]);
    let [findings, correlations] = run::<Correlate>(directory, &params, inputs, ["findings", "correlations"], threads);
    [scans, findings, correlations]
}

/// The digests of scans, findings and correlations.
fn digests(threads: u32) -> [String; 3] {
    let directory = tempfile::tempdir().unwrap();
    let [scans, findings, correlations] = correlated(directory.path(), sample(), threads);
    let mut bytes = Vec::new();
    for file in &Scans::open(&scans).unwrap() {
        bytes.extend_from_slice(format!("{}/{}", file.host, file.scan).as_bytes());
        bytes.extend_from_slice(&std::fs::read(&file.path).unwrap());
    }
    let [findings, correlations] = [findings, correlations].map(|path| std::fs::read(path).unwrap());
    assert!(correlations.split(|byte| *byte == b'\n').count() > 100);
    [bytes, findings, correlations].map(|bytes| Digest::of(&bytes).short())
}

#[test]
fn simulated_hosts_give_the_same_bytes_on_one_two_and_eight_threads_and_the_golden_digests() {
    let [scans, findings, correlations] = digests(1);
    for threads in [2, 8] {
        assert_eq!(digests(threads), [scans.as_str(), &findings, &correlations], "{threads} threads");
    }
    assert_eq!(scans, SCANS, "the scans moved, so what follows moves too");
    assert_eq!([findings.as_str(), &correlations], GOLDEN, "output moved on the same scans: raise the card's version");
}

/// Prefixes of names that `produce` gives to hosts of a role.
const PREFIXES: [(&str, &str); 7] = [
    ("web", "web"),
    ("db", "database"),
    ("ws", "workstation"),
    ("dev", "dev_workstation"),
    ("jump", "bastion"),
    ("gw", "lightweight_router"),
    ("node", "container_host"),
];

/// `benches/roles` prints the whole matrix.
#[test]
fn roles_of_simulated_hosts_are_inferred() {
    let directory = tempfile::tempdir().unwrap();
    let params = ProduceParams { hosts: 250, scans_per_host: 1, ..ProduceParams::default() };
    let [_, findings, _] = correlated(directory.path(), params, 2);
    let mut taken = BTreeMap::<String, String>::new();
    for line in std::fs::read_to_string(findings).unwrap().lines() {
        let finding: EnrichedFinding = serde_json::from_str(line).unwrap();
        taken.insert(finding.host, finding.host_role);
    }
    let mut right = 0;
    for (prefix, role) in PREFIXES {
        let of_role: Vec<&String> =
            taken.iter().filter(|(host, _)| host.split('-').next() == Some(prefix)).map(|(_, role)| role).collect();
        let hits = of_role.iter().filter(|taken| **taken == role).count();
        assert!(of_role.len() >= 8 && hits * 100 >= of_role.len() * 70, "{role}: {of_role:?}");
        right += hits;
    }
    assert!(right * 100 >= taken.len() * 92, "{right} of {}", taken.len());
}
