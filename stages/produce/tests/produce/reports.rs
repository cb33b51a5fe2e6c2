//! The stage as the worker runs it: valid reports, true labels, the same bytes on every thread count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use scan::rules::{HostContext, severity_of};
use scan::truth::Role;
use scan::{Report, Scans, Severity};
use serde_json::{Value, json};

use crate::run::{Run, root};

fn scanner_of(producer: &str) -> &str {
    if producer == "suid" { "suid_sgid" } else { producer }
}

const PRODUCERS: [&str; 8] =
    ["processes", "network", "kernel_params", "modules", "world_writable", "suid", "ioc", "mac"];

#[test]
fn the_output_is_the_golden_one_on_one_two_eight_and_sixteen_threads() {
    let params = json!({"seed": 7, "hosts": 12, "scans_per_host": 3, "attack_rate": 0.5});
    let one = Run::new(params.clone(), 1).digest();
    assert_eq!(one, Run::new(params.clone(), 2).digest());
    assert_eq!(one, Run::new(params.clone(), 8).digest());
    assert_eq!(one, Run::new(params, 16).digest());
    // When this moves, the same params give other bytes: raise the card's version.
    assert_eq!(one, "2cfafdd2f2");
}

#[test]
fn another_seed_gives_other_hosts_and_a_host_does_not_depend_on_how_many_there_are() {
    let few = Run::new(json!({"hosts": 3}), 2);
    let many = Run::new(json!({"hosts": 6}), 2);
    let other = Run::new(json!({"hosts": 3, "seed": 43}), 2);
    assert_ne!(few.digest(), other.digest());
    let many = many.reports();
    for (host, scan, report) in few.reports() {
        assert!(many.contains(&(host.clone(), scan, report)), "{host} {scan}");
    }
}

#[test]
fn every_report_validates_and_reads_back_without_a_change() {
    let schema: Value = serde_json::from_slice(&fs::read(root("schemas/scanner/v2.json")).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let run = Run::new(json!({"hosts": 60, "attack_rate": 0.7}), 2);
    for file in &Scans::open(&run.path("scans")).unwrap() {
        let document: Value = serde_json::from_slice(&fs::read(&file.path).unwrap()).unwrap();
        let problems: Vec<_> = schema.iter_errors(&document).map(|e| e.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{}", file.path.display());
        let (_, changes) = Report::read_noting(&file.path).unwrap();
        assert_eq!(changes, scan::Changes::default(), "{}", file.path.display());
    }
}

#[test]
fn every_severity_is_the_one_that_the_scanner_gives() {
    for (host, _, report) in Run::new(json!({"hosts": 80}), 2).reports() {
        let mac: BTreeMap<&str, Severity> = report.of_scanner("mac").map(|f| (f.id.as_str(), f.severity)).collect();
        let apparmor = report.of_scanner("mac").any(|f| f.flag("enabled"));
        // The one thing that a report does not say; without any access control it follows from the finding about that.
        let container = mac.get("mac_none") == Some(&Severity::Low);
        for (scanner, finding) in report.findings() {
            let expected = severity_of(scanner, finding, HostContext { container, apparmor });
            assert_eq!(Some(finding.severity), expected, "{host} {scanner} {}", finding.id);
        }
    }
}

#[test]
fn sockets_and_signs_join_their_processes() {
    let (mut joined, mut signs) = (0, 0);
    for (host, _, report) in Run::new(json!({"hosts": 60}), 2).reports() {
        let pids: BTreeMap<&str, &str> =
            report.of_scanner("processes").map(|f| (f.id.as_str(), f.description.as_str())).collect();
        assert_eq!(pids.len(), report.of_scanner("processes").count(), "{host}: a pid occurs once");
        // A trace may be missed by one scanner's pass, and then by both.
        for finding in report.of_scanner("network") {
            joined += u32::from(finding.get("pid").is_some_and(|pid| pids.contains_key(pid)));
            assert_eq!(finding.get("pid").is_some(), finding.get("exe").is_some());
        }
        for finding in report.of_scanner("ioc") {
            let pid = finding.get("pid").unwrap();
            assert_eq!(pids.get(pid), Some(&finding.get("command").unwrap()), "{host} {}", finding.id);
            assert!(finding.id.ends_with(&format!(":{pid}")));
            signs += 1;
        }
    }
    assert!(joined > 1000 && signs > 50, "{joined} sockets, {signs} signs");
}

/// Tight bounds: chains leave more than fits, so that even of theirs some are cut.
#[test]
fn counts_are_upper_bounds_of_each_scan_and_keep_chains_first() {
    let limits =
        [("processes", 4), ("network", 2), ("suid", 3), ("kernel_params", 1), ("ioc", 0), ("world_writable", 1)];
    let params = json!({"hosts": 90, "attack_rate": 1.0});
    let natural = Run::new(params.clone(), 2);
    let mut bounded = params;
    bounded["counts"] = limits.iter().map(|(producer, limit)| ((*producer).to_owned(), json!(limit))).collect();
    let bounded = Run::new(bounded, 2);
    let chains = |run: &Run| {
        let mut chains = BTreeMap::<(String, u32, String), usize>::new();
        for line in run.truth().into_iter().filter(|line| line.role == Role::Chain && line.visible) {
            *chains.entry((line.host, line.scan, line.scanner)).or_default() += 1;
        }
        chains
    };
    let (all, kept) = (chains(&natural), chains(&bounded));
    let mut cut = 0;
    for ((host, scan, before), (_, _, after)) in natural.reports().into_iter().zip(bounded.reports()) {
        for (scanner, limit) in limits.map(|(producer, limit)| (scanner_of(producer), limit)) {
            let count = |report: &Report| report.of_scanner(scanner).count();
            assert_eq!(count(&after), count(&before).min(limit), "{host} {scan} {scanner}");
            assert!(limit > 0 || after.results.iter().all(|result| result.scanner != scanner), "{host} {scanner}");
            let of = |chains: &BTreeMap<_, usize>| {
                chains.get(&(host.clone(), scan, scanner.to_owned())).copied().unwrap_or_default()
            };
            assert_eq!(of(&kept), of(&all).min(limit), "{host} {scan} {scanner}: of chains");
            cut += usize::from(limit > 0 && of(&all) > limit);
        }
        // Whatever is not named stays as it was.
        let others = |report: &Report| -> Vec<(String, String)> {
            let limited = |scanner: &str| limits.iter().any(|(producer, _)| scanner_of(producer) == scanner);
            let others = report.findings().filter(|(scanner, _)| !limited(scanner));
            others.map(|(scanner, finding)| (scanner.to_owned(), format!("{finding:?}"))).collect()
        };
        assert!(others(&after) == others(&before), "{host} {scan}");
    }
    assert!(cut > 20, "{cut} times a chain has more than fits");
}

#[test]
fn every_producer_can_be_switched_off() {
    for producer in PRODUCERS {
        let run = Run::new(json!({"hosts": 4, "counts": {producer: 0}}), 1);
        for (_, _, report) in run.reports() {
            assert!(report.results.iter().all(|result| result.scanner != scanner_of(producer)), "{producer}");
            assert!(report.findings().count() > 0);
        }
    }
}

#[test]
fn an_unknown_producer_is_refused() {
    let error = Run::attempt(json!({"counts": {"dns": 5}}), 1).err().unwrap();
    assert!(error.message.contains("unknown field `dns`"), "{}", error.message);
}

#[test]
fn a_reboot_gives_new_pids_and_without_one_daemons_keep_theirs() {
    let mut kept = BTreeMap::<bool, (u32, u32)>::new();
    let run = Run::new(json!({"hosts": 60, "attack_rate": 0.0, "scans_per_host": 2}), 2);
    let reports = run.reports();
    for pair in reports.chunks(2) {
        let sshd = |report: &Report| -> Option<String> {
            let name = "sshd: /usr/sbin/sshd -D [listener]";
            report.of_scanner("processes").find(|f| f.description.starts_with(name)).map(|f| f.id.clone())
        };
        let daemons = |report: &Report| report.of_scanner("processes").map(|f| f.id.clone()).collect::<BTreeSet<_>>();
        let (Some(before), Some(after)) = (sshd(&pair[0].2), sshd(&pair[1].2)) else { continue };
        let (first, second) = (daemons(&pair[0].2), daemons(&pair[1].2));
        let rebooted = first.intersection(&second).count() * 3 < first.len();
        let entry = kept.entry(rebooted).or_default();
        entry.0 += u32::from(before == after);
        entry.1 += 1;
    }
    let (same, hosts) = kept[&false];
    assert!(same * 10 >= hosts * 8, "{same} of {hosts} sshd kept their pid without a reboot");
    let (same, hosts) = kept[&true];
    assert!(same * 10 <= hosts * 3, "{same} of {hosts} sshd kept their pid over a reboot");
}
