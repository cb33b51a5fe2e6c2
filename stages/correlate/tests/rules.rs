//! Every embedded rule: scans on which it fires, and the nearest ones on which it must not.

use correlate::baseline::Baseline;
use correlate::fleet::{self, Fleet, Values};
use correlate::host::{self, Setting};
use correlate::rule::RULES;
use correlate::{Correlation, Profile};
use scan::{Finding, Report, ScannerResult, Severity};

type Scan = Vec<(&'static str, Finding)>;

fn process(pid: &str, executable: &str) -> (&'static str, Finding) {
    ("processes", Finding::new(pid, format!("Process {pid}"), Severity::Info, executable))
}

fn ioc(executable: &str, pid: &str, severity: Severity) -> (&'static str, Finding) {
    let id = format!("{executable}:{pid}");
    ("ioc", Finding::new(id, "Process IOC Detected", severity, "").with("pid", pid).with("command", executable))
}

fn socket(port: &str, state: &str, pid: &str, executable: &str, remote: &str) -> (&'static str, Finding) {
    let finding =
        Finding::new(format!("tcp:{port}:9{port}"), format!("tcp {state} {port}"), Severity::Low, "TCP socket")
            .with("state", state)
            .with("protocol", "tcp")
            .with("lport", port)
            .with("pid", pid)
            .with("exe", executable)
            .with("rip", remote);
    ("network", finding)
}

fn listener(port: &str, pid: &str, executable: &str) -> (&'static str, Finding) {
    socket(port, "LISTEN", pid, executable, "0.0.0.0")
}

fn suid(path: &str) -> (&'static str, Finding) {
    ("suid_sgid", Finding::new(path, "SUID/SGID binary", Severity::Medium, ""))
}

fn writable(path: &str) -> (&'static str, Finding) {
    ("world_writable", Finding::new(path, "World-writable file", Severity::Medium, ""))
}

fn sysctl(path: &str, current: &str, desired: &str) -> (&'static str, Finding) {
    let finding = Finding::new(path, path, Severity::Info, "").with("current", current).with("desired", desired);
    ("kernel_params", if current == desired { finding } else { finding.with("status", "mismatch") })
}

fn module(name: &str) -> (&'static str, Finding) {
    ("modules", Finding::new(name, format!("Module {name}"), Severity::Info, ""))
}

fn mac_none() -> (&'static str, Finding) {
    ("mac", Finding::new("mac_none", "No MAC enforcement", Severity::High, ""))
}

/// Correlations of the last scan of the first host; each host is a list of scans.
fn correlations(hosts: &[Vec<Scan>]) -> Vec<Correlation> {
    let report = |scan: &Scan| Report {
        meta: serde_json::Map::new(),
        summary: serde_json::Map::new(),
        results: scan.iter().map(|(scanner, finding)| ScannerResult::new(*scanner, vec![finding.clone()])).collect(),
        collection_warnings: Vec::new(),
        scanner_errors: Vec::new(),
        summary_extension: serde_json::Map::new(),
    };
    let shared = hosts.iter().enumerate().map(|(number, scans)| {
        let mut values = Values::new();
        scans.iter().for_each(|scan| fleet::collect(&RULES, &report(scan).results, &mut values));
        (format!("host-{number}"), values)
    });
    let fleet = Fleet::new(&RULES, shared);
    let setting = Setting { profile: Profile::Intended, rules: &RULES, fleet: &fleet };
    let mut baseline = Baseline::default();
    let mut last = Vec::new();
    for (number, scan) in hosts[0].iter().enumerate() {
        let findings = scan.iter().map(|(scanner, finding)| ((*scanner).to_owned(), finding.clone())).collect();
        (_, last) = host::scan(&setting, "host-0", number as u32, findings, &mut baseline);
    }
    last
}

/// `rule` joins exactly `members` on `fires`, and nothing on any of `silent`.
fn check(rule: &str, fires: Vec<Vec<Scan>>, members: &[&str], silent: Vec<Vec<Vec<Scan>>>) {
    assert!(RULES.iter().any(|r| r.id == rule), "no rule {rule}");
    let found: Vec<_> = correlations(&fires).into_iter().filter(|c| c.rule == rule).collect();
    assert_eq!(found.len(), 1, "{rule} fires once");
    assert_eq!(found[0].related_finding_ids, members, "{rule}");
    assert!(!found[0].rationale.contains('{'), "{}", found[0].rationale);
    for (number, hosts) in silent.iter().enumerate() {
        assert!(!correlations(hosts).iter().any(|c| c.rule == rule), "{rule} on silent case {number}");
    }
}

fn one(scan: Scan) -> Vec<Vec<Scan>> {
    vec![vec![scan]]
}

const BAD: &str = "/tmp/.x/agent";

#[test]
fn flagged_process_in_inventory() {
    let found = ioc(BAD, "40", Severity::High);
    check(
        "flagged-process-in-inventory",
        one(vec![found.clone(), process("40", BAD), process("41", BAD)]),
        &["/tmp/.x/agent:40", "40"],
        vec![
            one(vec![found, process("41", BAD)]),
            one(vec![ioc("/usr/bin/bot", "40", Severity::Low), process("40", "/usr/bin/bot")]),
        ],
    );
}

#[test]
fn flagged_process_connects_out() {
    let found = ioc(BAD, "40", Severity::High);
    let out = |pid: &str, remote: &str| socket("50000", "ESTABLISHED", pid, BAD, remote);
    check(
        "flagged-process-connects-out",
        one(vec![found.clone(), out("40", "203.0.113.9")]),
        &["/tmp/.x/agent:40", "tcp:50000:950000"],
        vec![one(vec![found.clone(), out("40", "127.0.0.1")]), one(vec![found, out("41", "203.0.113.9")])],
    );
}

#[test]
fn flagged_executable_listens() {
    let found = ioc(&format!("{BAD} (deleted)"), "40", Severity::Critical);
    check(
        "flagged-executable-listens",
        one(vec![found.clone(), listener("4444", "41", BAD)]),
        &["/tmp/.x/agent (deleted):40", "tcp:4444:94444"],
        vec![one(vec![found, listener("4444", "40", "/usr/sbin/sshd")])],
    );
}

#[test]
fn new_process_listens() {
    let old = vec![process("7", "/usr/sbin/sshd")];
    let new = vec![process("7", "/usr/sbin/sshd"), process("40", BAD), listener("4444", "40", BAD)];
    check(
        "new-process-listens",
        vec![vec![old.clone(), new.clone()]],
        &["40", "tcp:4444:94444"],
        vec![
            one(new.clone()),
            vec![vec![new.clone(), new]],
            vec![vec![old, vec![process("40", BAD), listener("4444", "7", "/usr/sbin/sshd")]]],
        ],
    );
}

#[test]
fn runs_world_writable_executable() {
    check(
        "runs-world-writable-executable",
        one(vec![writable("/usr/local/bin/job"), process("9", "/usr/local/bin/job")]),
        &["/usr/local/bin/job", "9"],
        vec![one(vec![writable("/usr/local/bin/job"), process("9", "/usr/local/bin/job2")])],
    );
}

#[test]
fn suid_program_world_writable() {
    check(
        "suid-program-world-writable",
        one(vec![suid("/usr/local/bin/x"), writable("/usr/local/bin/x")]),
        &["/usr/local/bin/x", "/usr/local/bin/x#2"],
        vec![one(vec![suid("/usr/local/bin/x"), writable("/usr/local/bin")])],
    );
}

#[test]
fn suid_program_in_world_writable_directory() {
    check(
        "suid-program-in-world-writable-directory",
        one(vec![suid("/usr/local/bin/x"), suid("/usr/local/bin/y"), writable("/usr/local/bin")]),
        &["/usr/local/bin/x", "/usr/local/bin/y", "/usr/local/bin"],
        vec![one(vec![suid("/usr/bin/x"), writable("/usr/local/bin")])],
    );
}

#[test]
fn flagged_executable_has_suid() {
    let found = ioc("/usr/local/bin/x", "40", Severity::Medium);
    check(
        "flagged-executable-has-suid",
        one(vec![found.clone(), suid("/usr/local/bin/x")]),
        &["/usr/local/bin/x:40", "/usr/local/bin/x"],
        vec![one(vec![found, suid("/usr/bin/su")])],
    );
}

#[test]
fn forwards_with_nat() {
    let on = sysctl("/proc/sys/net/ipv4/ip_forward", "1", "0");
    check(
        "forwards-with-nat",
        one(vec![on.clone(), module("xt_MASQUERADE")]),
        &["/proc/sys/net/ipv4/ip_forward", "xt_MASQUERADE"],
        vec![
            one(vec![on, module("ext4")]),
            one(vec![sysctl("/proc/sys/net/ipv4/ip_forward", "0", "0"), module("xt_MASQUERADE")]),
        ],
    );
}

#[test]
fn weak_kernel_with_new_module() {
    let aslr = |value: &str| sysctl("/proc/sys/kernel/randomize_va_space", value, "2");
    let weak = |value: &str| {
        let (scanner, finding) = aslr(value);
        let severity = if value == "2" { Severity::Info } else { Severity::Medium };
        (scanner, Finding { severity, ..finding })
    };
    check(
        "weak-kernel-with-new-module",
        vec![vec![vec![weak("2"), module("ext4")], vec![weak("0"), module("ext4"), module("lkm")]]],
        &["/proc/sys/kernel/randomize_va_space", "lkm"],
        vec![
            one(vec![weak("0"), module("lkm")]),
            vec![vec![vec![weak("0"), module("ext4")], vec![weak("0"), module("lkm")]]],
            vec![vec![vec![weak("2"), module("ext4")], vec![weak("0"), module("ext4")]]],
        ],
    );
}

#[test]
fn critical_process_without_mac() {
    let deleted = ioc("/opt/x (deleted)", "40", Severity::Critical);
    check(
        "critical-process-without-mac",
        one(vec![deleted.clone(), mac_none()]),
        &["/opt/x (deleted):40", "mac_none"],
        vec![one(vec![deleted]), one(vec![ioc("/opt/x", "40", Severity::High), mac_none()])],
    );
}

#[test]
fn flagged_executable_on_several_hosts() {
    let host = |path: &str, pid: &str| vec![vec![ioc(path, pid, Severity::High)]];
    check(
        "flagged-executable-on-several-hosts",
        vec![host(BAD, "40"), host(BAD, "91")],
        &["/tmp/.x/agent:40"],
        vec![vec![host(BAD, "40"), host("/tmp/other", "91")], vec![host("/opt/x", "40"), host("/opt/x", "91")]],
    );
}

#[test]
fn temporary_listener_on_several_hosts() {
    let host = |port: &str, path: &str| vec![vec![listener(port, "40", path)]];
    check(
        "temporary-listener-on-several-hosts",
        vec![host("4444", BAD), host("4444", "/dev/shm/k")],
        &["tcp:4444:94444"],
        vec![
            vec![host("4444", BAD), host("4445", BAD)],
            vec![host("22", "/usr/sbin/sshd"), host("22", "/usr/sbin/sshd")],
        ],
    );
}

#[test]
fn every_rule_has_a_test_here() {
    let tests = include_str!("rules.rs");
    for rule in RULES.iter() {
        assert!(tests.contains(&format!("\n        \"{}\",\n", rule.id)), "no test of {}", rule.id);
    }
}

#[test]
fn no_rule_emits_a_product_of_sets() {
    let mut scan: Scan = (0..500).map(|i| process(&i.to_string(), BAD)).collect();
    scan.extend((0..500).map(|i| ioc(BAD, &i.to_string(), Severity::Critical)));
    scan.extend((0..500).map(|i| listener(&(1000 + i).to_string(), &i.to_string(), BAD)));
    scan.push(mac_none());
    let found = correlations(&one(scan));
    // 500 processes joined by pid; executable and host are one value each.
    assert_eq!(found.len(), 502);
    assert!(found.iter().all(|c| c.related_finding_ids.len() <= correlate::join::MEMBER_LIMIT));
    let listens = found.iter().find(|c| c.rule == "flagged-executable-listens").unwrap();
    assert_eq!(listens.member_count, 1000);
    let both = |part: &str| listens.related_finding_ids.iter().any(|id| id.starts_with(part));
    assert!(both("tcp:") && both(BAD));
}
