//! Damage to what is measured over many hosts or prompts. Where nothing is held against a figure by default, a threshold is
//! chosen that good input keeps.

use std::collections::BTreeSet;

use scan::{Finding, Report, Scans, Severity};
use serde_json::Value;

use super::{Damage, Table};
use crate::fleet::{Fleet, REAL};
use crate::workplace::{AFTER, BEFORE, Workplace, text};

/// Kernel parameters that are as wanted are left out of every report, so only mismatches are left.
pub(super) const MARGINALS: Table = Table {
    inputs: &BEFORE,
    good: || Fleet::simulated(60).workplace,
    damages: &[Damage {
        check: "marginals",
        what: "no kernel parameter that is as wanted",
        break_it: |w| {
            w.edit_reports("scans", |report| {
                let mismatch = |finding: &Finding| finding.severity > Severity::Info;
                for result in report.results.iter_mut().filter(|result| result.scanner == "kernel_params") {
                    result.findings.retain(mismatch);
                }
            });
            w.correlate();
            w.tell_truth(|_| false);
        },
        at: ("kernel_params", ""),
    }],
};

/// The last process, socket and program of each scan are of a chain.
pub(super) const LEAKAGE: Table = Table {
    inputs: &BEFORE,
    good: || Fleet::simulated(120).workplace,
    damages: &[Damage {
        check: "leakage",
        what: "chains that are told by their place",
        break_it: |w| {
            let mut chains = BTreeSet::new();
            for file in &Scans::open(&w.path("scans")).unwrap() {
                let report = Report::read(&file.path).unwrap();
                for scanner in ["processes", "network", "suid_sgid"] {
                    let last = report.of_scanner(scanner).last();
                    chains.extend(last.map(|finding| (file.host.clone(), scanner, finding.id.clone())));
                }
            }
            w.tell_truth(|finding| {
                let of = |key: &str| finding[key].as_str().unwrap().to_owned();
                let scanner = ["processes", "network", "suid_sgid"].into_iter().find(|s| finding["scanner"] == *s);
                scanner.is_some_and(|scanner| chains.contains(&(of("host"), scanner, of("id"))))
            });
        },
        at: ("network", ""),
    }],
};

/// Hosts that stand in for real ones get processes with a group that no table holds.
pub(super) const REALISM: Table = Table {
    inputs: &REAL,
    good: || {
        let mut workplace = Fleet::simulated(20).with_real(4);
        workplace.params.thresholds.realism = 0.9;
        workplace
    },
    damages: &[Damage {
        check: "realism",
        what: "a value that only real hosts have",
        break_it: |w| {
            w.edit_reports("real", |report| {
                for result in report.results.iter_mut().filter(|result| result.scanner == "processes") {
                    let vendor = |finding: &mut Finding| _ = finding.metadata.insert("gid".into(), "99999".into());
                    result.findings.iter_mut().for_each(vendor);
                }
            });
            w.correlate_with_real();
        },
        at: ("processes", ""),
    }],
};

const COPIES: Damage = Damage {
    check: "near_duplicates",
    what: "prompts of training with another number",
    break_it: copy_prompts,
    at: ("finding", ""),
};

/// Prompts of training come again in the test split, with another number.
pub(super) const NEAR_DUPLICATES: Table = Table {
    inputs: &AFTER,
    good: || {
        let mut workplace = Workplace::new();
        workplace.params.thresholds.near_duplicates = 0.6;
        workplace
    },
    damages: &[COPIES],
};

/// The same where no near duplicate fails: they cost quality.
pub(super) const QUALITY: Table = Table {
    inputs: &AFTER,
    good: || {
        let mut workplace = Workplace::new();
        workplace.params.min_quality = 0.97;
        workplace
    },
    damages: &[Damage { check: "quality", at: ("near_duplicates", ""), ..COPIES }],
};

/// So many that they are most of the split.
const COPIES_OF_EACH: usize = 4;

fn copy_prompts(w: &mut Workplace) {
    let manifest: Value = serde_json::from_str(&text(&w.path("dataset/manifest.json"))).unwrap();
    let host = manifest["splits"]["test"]["hosts"][0].clone();
    let trained = text(&w.path("dataset/train.jsonl"));
    w.edit_split("test", |all| {
        let mut edited = all.to_owned();
        for (place, line) in trained.lines().enumerate() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if line["task"] == "finding" {
                line["host"] = host.clone();
                // Of this scan there is no document that could say otherwise.
                line["scan"] = 1_000.into();
                let prompt = line["messages"][1]["content"].as_str().unwrap().to_owned();
                for copy in 0..COPIES_OF_EACH {
                    line["messages"][1]["content"] =
                        format!("{prompt}\n{}", 1_000 + COPIES_OF_EACH * place + copy).into();
                    edited.push_str(&format!("{line}\n"));
                }
            }
        }
        edited
    });
}
