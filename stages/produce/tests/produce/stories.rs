//! Attack chains and look-alikes: what they leave, and what the truth says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use scan::truth::Role;
use scan::{Report, Scans};
use serde_json::{Value, json};

use crate::run::{Run, chains, root};

/// The names of the templates of attack chains.
fn chain_names() -> Vec<String> {
    chains().iter().map(|template| template["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn truth_has_a_line_for_every_finding_and_for_nothing_else_that_is_visible() {
    let run = Run::new(json!({"hosts": 60, "attack_rate": 0.6}), 2);
    let mut told: Vec<(String, u32, String, String)> = Vec::new();
    let mut roles = BTreeMap::<Role, u32>::new();
    for line in run.truth() {
        *roles.entry(line.role).or_default() += 1;
        match line.role {
            Role::Benign => assert!(line.chain_id.is_none() && line.template.is_none() && line.technique.is_none()),
            Role::Lookalike => assert!(line.chain_id.is_none() && line.template.is_some() && line.technique.is_none()),
            Role::Chain => assert!(line.chain_id.is_some() && line.template.is_some() && line.technique.is_some()),
        }
        assert!(line.visible || line.role != Role::Benign);
        if line.visible {
            told.push((line.host, line.scan, line.scanner, line.id));
        }
    }
    let mut found = Vec::new();
    for (host, scan, report) in run.reports() {
        found.extend(report.findings().map(|(scanner, f)| (host.clone(), scan, scanner.to_owned(), f.id.clone())));
    }
    told.sort();
    found.sort();
    assert_eq!(told, found);
    assert!(roles[&Role::Chain] > 100 && roles[&Role::Lookalike] > 100, "{roles:?}");
}

#[test]
fn chains_leave_traces_across_scanners_on_the_share_of_hosts_asked_for() {
    let run = Run::new(json!({"hosts": 1200, "attack_rate": 0.5}), 2);
    let mut scanners = BTreeMap::<String, BTreeSet<String>>::new();
    for line in run.truth().into_iter().filter(|line| line.role == Role::Chain && line.visible) {
        scanners.entry(line.chain_id.unwrap()).or_default().insert(line.scanner);
    }
    assert!((450..=675).contains(&scanners.len()), "{} of 1200", scanners.len());
    let several = scanners.values().filter(|names| names.len() >= 2).count();
    assert!(several * 10 >= scanners.len() * 9, "{several} of {}", scanners.len());
    let clean = Run::new(json!({"hosts": 60, "attack_rate": 0.0}), 2);
    assert!(clean.truth().iter().all(|line| line.role != Role::Chain));
}

#[test]
fn every_template_is_played_somewhere() {
    let run = Run::new(json!({"hosts": 2400, "attack_rate": 1.0}), 2);
    let seen = run.truth().into_iter().filter(|line| line.role == Role::Chain && line.visible);
    let templates: BTreeSet<String> = seen.filter_map(|line| line.template).collect();
    let unseen: Vec<_> = chain_names().into_iter().filter(|name| !templates.contains(name)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// The metadata of a finding of a host, by scanner and id.
fn network(reports: &[(String, u32, Report)], host: &str, scan: u32, id: &str) -> BTreeMap<String, String> {
    let (_, _, report) = reports.iter().find(|(name, number, _)| name == host && *number == scan).unwrap();
    let finding = report.of_scanner("network").find(|finding| finding.id == id).unwrap();
    finding.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[test]
fn an_attack_that_moves_leaves_both_ends_of_its_connections() {
    let params = json!({"hosts": 700, "attack_rate": 0.5, "scans_per_host": 3, "noise": {"missed": 0.0}});
    let run = Run::new(params, 2);
    let reports = run.reports();
    let mut hosts = BTreeMap::<String, BTreeSet<String>>::new();
    let (mut sent, mut received) = (BTreeSet::new(), BTreeSet::new());
    for line in run.truth() {
        let Some(chain_id) = line.chain_id.filter(|_| line.template.as_deref() == Some("lateral_movement")) else {
            continue;
        };
        hosts.entry(chain_id.clone()).or_default().insert(line.host.clone());
        if line.scanner != "network" || line.technique.as_deref() != Some("T1021.004") {
            continue;
        }
        let of = network(&reports, &line.host, line.scan, &line.id);
        let end = |address: &str, port: &str| format!("{}:{}", of[address], of[port]);
        if of["rport"] == "22" {
            sent.insert((chain_id, end("lip", "lport"), end("rip", "rport")));
        } else {
            assert_eq!(of["lport"], "22");
            received.insert((chain_id, end("rip", "rport"), end("lip", "lport")));
        }
    }
    assert!(hosts.len() >= 3, "{hosts:?}");
    assert!(hosts.values().all(|members| (2..=3).contains(&members.len())), "{hosts:?}");
    let both = sent.intersection(&received).count();
    assert!(both * 2 > sent.len().max(received.len()), "{both} of {} and {}", sent.len(), received.len());
}

#[test]
fn noise_decides_what_scans_miss_and_how_many_look_alikes_there_are() {
    let hidden = |run: &Run, role: Role| {
        let lines: Vec<bool> = run.truth().iter().filter(|line| line.role == role).map(|line| line.visible).collect();
        (lines.iter().filter(|visible| !**visible).count() * 100 / lines.len().max(1), lines.len())
    };
    let noisy = |missed: f64, lookalikes: f64| {
        Run::new(json!({"hosts": 80, "attack_rate": 0.8, "noise": {"missed": missed, "lookalikes": lookalikes}}), 2)
    };
    let (clear, blurred) = (noisy(0.0, 1.0), noisy(0.5, 1.0));
    // What a scanner cannot see stays hidden without any noise.
    let ((unseen, _), (missed, _)) = (hidden(&clear, Role::Chain), hidden(&blurred, Role::Chain));
    assert!(unseen < 40, "{unseen} in a hundred");
    // Of the others noise hides half.
    let expected = unseen + (100 - unseen) / 2;
    assert!(missed.abs_diff(expected) <= 6, "{missed} in a hundred, with noise of a half beside {unseen} without");
    let (none, some, more) = (
        hidden(&noisy(0.0, 0.0), Role::Lookalike).1,
        hidden(&clear, Role::Lookalike).1,
        hidden(&noisy(0.0, 3.0), Role::Lookalike).1,
    );
    assert!(none == 0 && some > 0 && more > 2 * some, "{none} {some} {more}");
}

#[test]
fn every_line_of_the_truth_validates() {
    let schema: Value = serde_json::from_slice(&fs::read(root("schemas/truth.json")).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let run = Run::new(json!({"hosts": 30, "attack_rate": 0.7}), 2);
    let text = fs::read_to_string(run.path("truth")).unwrap();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let problems: Vec<_> = schema.iter_errors(&line).map(|e| e.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{line}");
    }
    assert!(!Scans::open(&run.path("scans")).unwrap().is_empty());
}
