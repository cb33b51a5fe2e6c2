//! A reboot leaves of attacks and look-alikes only things on disk and things that these start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use scan::Report;
use serde_json::json;
use serde_yaml::Value;

use crate::run::{Run, chains, root};

const SCANS: u32 = 4;

/// A kind of trace of a template: its name, the technique of a chain's step, and the scanner.
type Trace = (String, String, String);

/// Whether a reboot ends it, of each kind of trace that is so in all steps that leave it.
fn tables(templates: &[Value]) -> BTreeMap<Trace, bool> {
    let mut all = BTreeMap::<Trace, BTreeSet<bool>>::new();
    for template in templates {
        let mut ended = BTreeMap::<&str, bool>::new();
        for step in template["steps"].as_sequence().unwrap() {
            let leaves = step["leaves"].as_mapping().unwrap();
            let (kind, trace) = leaves.iter().next().unwrap();
            // A datagram socket that talks is open for moments only.
            let protocols = trace["protocol"].as_sequence();
            if protocols.is_some_and(|all| all.iter().any(|protocol| protocol == "udp")) {
                continue;
            }
            // Sockets go with their process.
            let owner = trace["of"].as_str().and_then(|of| ended.get(of)).copied().unwrap_or(false);
            let gone = step["reboot"].as_str() == Some("gone") || owner;
            if let Some(id) = trace["id"].as_str() {
                ended.insert(id, gone);
            }
            for scanner in scanners(kind.as_str().unwrap()) {
                let technique = step["technique"].as_str().unwrap_or("");
                let name = template["name"].as_str().unwrap();
                let key = (name.to_owned(), technique.to_owned(), (*scanner).to_owned());
                all.entry(key).or_default().insert(gone);
            }
        }
    }
    all.into_iter().filter(|(_, gone)| gone.len() == 1).map(|(key, gone)| (key, gone.contains(&true))).collect()
}

/// The scanners that may report a kind of trace.
fn scanners(kind: &str) -> &[&str] {
    match kind {
        "process" | "alter" => &["processes", "ioc"],
        "socket" | "expose" => &["network"],
        "suid" => &["suid_sgid"],
        "writable" => &["world_writable"],
        "param" => &["kernel_params", "kernel_hardening"],
        "firmware" => &["kernel_hardening"],
        "module" => &["modules"],
        "mac" => &["mac"],
        "unit" => &["systemd_units"],
        other => panic!("a new kind of trace: {other}"),
    }
}

/// Daemons of which hosts run one each, and containers some.
const DAEMONS: [&str; 8] = [
    "/usr/lib/systemd/systemd-journald",
    "/usr/lib/systemd/systemd-udevd",
    "/usr/lib/systemd/systemd-logind",
    "@dbus-daemon",
    "/usr/sbin/cron",
    "/usr/sbin/rsyslogd",
    "/sbin/agetty",
    "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
];

/// Whether a host was started anew between two scans: most of its daemons have other pids.
fn rebooted(before: &Report, after: &Report) -> bool {
    let daemons = |report: &Report| -> BTreeSet<(String, String)> {
        let processes = report.of_scanner("processes").filter(|f| DAEMONS.contains(&f.description.as_str()));
        processes.map(|f| (f.description.clone(), f.id.clone())).collect()
    };
    let (before, after) = (daemons(before), daemons(after));
    before.intersection(&after).count() * 2 < before.len()
}

/// For each of two answers (does a reboot end it?): how often it was there before a reboot and after it.
fn over_reboots(tables: &BTreeMap<Trace, bool>, lookalikes: f64, attack_rate: f64) -> [(u32, u32); 2] {
    let params = json!({"hosts": 150, "scans_per_host": SCANS, "attack_rate": attack_rate,
        "noise": {"missed": 0.0, "lookalikes": lookalikes}});
    let run = Run::new(params, 2);
    let mut boots = BTreeSet::<(String, u32)>::new();
    for pair in run.reports().windows(2) {
        let ((host, scan, before), (other, _, after)) = (&pair[0], &pair[1]);
        if host == other && rebooted(before, after) {
            boots.insert((host.clone(), *scan));
        }
    }
    assert!(boots.len() > 40, "{} reboots", boots.len());
    let mut seen = BTreeSet::<(String, u32, Trace)>::new();
    for line in run.truth() {
        let Some(template) = line.template else { continue };
        let trace = (template, line.technique.unwrap_or_default(), line.scanner);
        seen.insert((line.host, line.scan, trace));
    }
    let mut counts = [(0, 0); 2];
    for (host, scan, trace) in &seen {
        let Some(gone) = tables.get(trace) else { continue };
        let again = seen.contains(&(host.clone(), scan + 1, trace.clone()));
        if boots.contains(&(host.clone(), *scan)) {
            let count = &mut counts[usize::from(*gone)];
            count.0 += 1;
            count.1 += u32::from(again);
        } else if scan + 1 < SCANS {
            assert!(again, "{host}, scan {scan}: {trace:?} ends without a reboot");
        }
    }
    counts
}

#[test]
fn attacks_outlive_a_reboot_where_they_persist_and_only_there() {
    let tables = tables(&chains());
    let [stays, gone] = over_reboots(&tables, 0.0, 0.9);
    assert!(stays.0 > 50 && stays.0 == stays.1, "{stays:?} that persist before and after reboots");
    assert!(gone.0 > 50 && gone.1 == 0, "{gone:?} that do not persist before and after reboots");
}

#[test]
fn look_alikes_outlive_a_reboot_where_they_persist_and_only_there() {
    let text = fs::read_to_string(root("stages/produce/data/lookalikes.yaml")).unwrap();
    let lookalikes: Vec<Value> = serde_yaml::from_str(&text).unwrap();
    let [stays, gone] = over_reboots(&tables(&lookalikes), 1.0, 0.0);
    assert!(stays.0 > 50 && stays.1 * 100 >= stays.0 * 97, "{stays:?} that persist before and after reboots");
    assert!(gone.0 > 50 && gone.1 == 0, "{gone:?} that do not persist before and after reboots");
}
