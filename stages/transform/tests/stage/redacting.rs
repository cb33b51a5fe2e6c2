//! Real hosts under pseudonyms: nothing of who and where is left in what a dataset gives away.

use std::fs;
use std::path::Path;

use scan::{Finding, Report, ScannerResult, Severity};
use serde_json::Value;
use transform::TransformParams;

use crate::workplace::{Workplace, content, report};

const VALUES: [&str; 6] =
    ["eve.adams", "build-7", "corp.example", "198.51.100.23", "192.168.40.9", "00:1b:21:3c:4d:5e"];

fn real(host: &str) -> Report {
    let mut real = report(host, 3, true);
    let home = "/home/eve.adams/.cache/run";
    let ioc = Finding::new(format!("{home}:91"), "Process IOC Detected", Severity::High, "Process executable")
        .with("pid", "91")
        .with("command", "ssh eve.adams@build-7 via 198.51.100.23 00:1b:21:3c:4d:5e")
        .with("world_writable_executable", "true");
    let socket = Finding::new("tcp:22:9", "tcp ESTABLISHED 22", Severity::Info, "TCP socket")
        .with("state", "ESTABLISHED")
        .with("protocol", "tcp")
        .with("lport", "22")
        .with("lip", "192.168.40.9")
        .with("rip", "198.51.100.23")
        .with("rport", "50122")
        .with("pid", "91")
        .with("exe", home);
    let process = Finding::new("91", "Process 91", Severity::Info, home).with("uid", "1000");
    real.results.push(ScannerResult::new("ioc", vec![ioc]));
    real.results.push(ScannerResult::new("network", vec![socket]));
    real.results.push(ScannerResult::new("processes", vec![process]));
    real.mark_ingested();
    real
}

fn workplace() -> Workplace {
    let workplace =
        Workplace::of(vec![real("build-7.corp.example"), report("sim-1", 0, true), report("sim-2", 1, false)]);
    workplace.correlate();
    workplace
}

/// Names and contents of all files below a directory.
fn everything(directory: &Path, all: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        all.push_str(&path.display().to_string());
        if path.is_dir() {
            everything(&path, all);
        } else {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn made(workplace: &Workplace) -> String {
    let mut all = String::new();
    everything(&workplace.path("dataset"), &mut all);
    everything(&workplace.path("documents"), &mut all);
    all
}

fn examples(workplace: &Workplace) -> Vec<Value> {
    ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)).collect()
}

#[test]
fn nothing_of_a_real_host_is_left_and_simulated_ones_are_as_they_were() {
    let workplace = workplace();
    workplace.transform(2).unwrap();
    let all = made(&workplace);
    for value in VALUES {
        assert!(!all.contains(value), "{value} is left");
    }
    let lines = examples(&workplace);
    assert!(lines.iter().any(|line| line["host"].as_str().unwrap().starts_with("host-")));
    assert!(lines.iter().any(|line| line["host"] == "sim-1") && all.contains("/tmp/.x/a"));
    assert!(all.contains("of the 1\n  real hosts are pseudonyms"), "the data card says so");
    let home = lines.iter().map(|line| content(line, 1)).find(|prompt| prompt.contains("/home/user-")).unwrap();
    assert!(home.contains("/.cache/run"), "{home}");
    // The classes of addresses are what prompts show.
    let shown = |text: &str| lines.iter().any(|line| content(line, 1).contains(text));
    assert!(shown("ESTABLISHED with an outside address"), "{all}");
}

#[test]
fn one_value_has_one_pseudonym_in_the_whole_dataset() {
    let two = Workplace::of(vec![real("build-7.corp.example"), real("build-8.corp.example")]);
    two.correlate();
    two.transform(2).unwrap();
    let text = made(&two);
    let users: std::collections::BTreeSet<&str> =
        text.match_indices("/home/user-").map(|(at, _)| &text[at + 6..at + 6 + "user-0123456789".len()]).collect();
    assert_eq!(users.len(), 1, "{users:?}");
    let hosts: Vec<_> = fs::read_dir(two.path("documents")).unwrap().collect();
    assert_eq!(hosts.len(), 2);
}

#[test]
fn text_stays_as_it_is_where_it_was_asked_for() {
    let workplace = workplace();
    workplace.transform_with(TransformParams { redact: false, ..TransformParams::default() }, 2).unwrap();
    let all = made(&workplace);
    assert!(all.contains("/home/eve.adams/.cache/run") && all.contains("as the\n  reports have them"));
    assert!(examples(&workplace).iter().any(|line| line["host"] == "build-7.corp.example"));
}
