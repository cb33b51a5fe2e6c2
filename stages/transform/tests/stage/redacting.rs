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

/// A report of a real host with a few more findings.
fn ingested(host: &str, number: u32, more: Vec<(&str, Finding)>) -> Report {
    let mut report = report(host, number, true);
    report.results.extend(more.into_iter().map(|(scanner, finding)| ScannerResult::new(scanner, vec![finding])));
    report.mark_ingested();
    report
}

fn program(path: &str) -> (&'static str, Finding) {
    ("suid_sgid", Finding::new(path, "SUID/SGID binary", Severity::High, "Binary has SUID or SGID bit set"))
}

#[test]
fn a_name_that_one_scan_shows_is_replaced_in_all_in_any_case() {
    let noted = program("/opt/fin-web1/run").1.with("host_Fin-Web1.corp.example", "FIN-WEB1").with("owner", "nadia");
    let reports = vec![
        ingested("Fin-Web1.corp.example", 0, vec![program("/home/Bob/run"), ("suid_sgid", noted)]),
        ingested(
            "db-2.corp.example",
            1,
            vec![program("/opt/bob/run"), program("/usr/local/bin/BOB-tool"), program("/srv/nadia/x")],
        ),
        ingested(
            "db-3.corp.example",
            2,
            vec![program("/home/CORP/maria/x"), program("/home/al/x"), program("/opt/bastion7.corp.example/x")],
        ),
    ];
    let workplace = Workplace::of(reports);
    workplace.correlate();
    workplace.transform(2).unwrap();
    let all = made(&workplace).to_lowercase();
    for value in ["bob", "fin-web1", "corp.example", "nadia", "/maria", "/al/", "bastion7", "db-2", "db-3"] {
        assert!(!all.contains(value), "{value} is left");
    }
}

/// What any local user can start, and what a host can be called.
#[test]
fn names_that_are_words_of_reports_spoil_no_example() {
    for name in ["LISTEN", "tcp", "ESTABLISHED", "usr", "sbin", "nginx", "passwd", "true", "run"] {
        let process =
            |text: String| ("processes", Finding::new("777", "Process 777", Severity::Info, text).with("uid", "1000"));
        let reports = vec![
            ingested("real-1", 0, vec![process(format!("x USER={name} /home/{name}/x {name}@host sudo -u {name}"))]),
            ingested(name, 1, vec![process(format!("/home/{name}/run"))]),
        ];
        let workplace = Workplace::of(reports);
        workplace.correlate();
        workplace.transform(2).unwrap();
        assert!(workplace.warnings().iter().all(|warning| !warning.contains("two answers")), "{name}");
        let documents = workplace.documents();
        let of_scanner = |scanner: &'static str| {
            documents
                .iter()
                .flat_map(|(_, document)| document["enriched_findings"].as_array().unwrap())
                .filter(move |f| f["scanner"] == scanner)
        };
        for socket in of_scanner("network") {
            assert_eq!(
                (&socket["metadata"]["state"], &socket["metadata"]["protocol"]),
                (&"LISTEN".into(), &"tcp".into()),
                "{name}"
            );
            assert!(socket["id"].as_str().unwrap().starts_with("tcp:"), "{name}: {socket}");
        }
        assert!(
            of_scanner("suid_sgid").any(|f| f["id"] == "/usr/bin/passwd" && f["metadata"]["expected"] == "true"),
            "{name}"
        );
        assert!(examples(&workplace).iter().any(|line| content(line, 1).contains("/usr/sbin/nginx")), "{name}");
    }
}
