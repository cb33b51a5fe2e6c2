//! Builders of findings as the scanner writes them, and [`Case`]: what a rule joins, and what it must leave alone.

use correlate::fleet::{self, Comparison, FEWEST_HOSTS, Seen};
use correlate::host::{self, Past, Scanned, Setting};
use correlate::sides::Ruleset;
use findings::{Correlation, EnrichedFinding, Profile};
use rules::rule::RULES;
use scan::{Coverage, Finding, ScannerResult, Severity};

/// A finding with its scanner.
pub(crate) type Found = (&'static str, Finding);
/// The findings of one scan.
pub(crate) type Scan = Vec<Found>;

/// A flagged program in a temporary directory.
pub(crate) const BAD: &str = "/tmp/x/agent";

/// A process of root.
pub(crate) fn process(pid: &str, argv0: &str) -> Found {
    process_of("0", pid, argv0)
}

/// A process of an account.
pub(crate) fn process_of(uid: &str, pid: &str, argv0: &str) -> Found {
    ("processes", Finding::new(pid, format!("Process {pid}"), Severity::Info, argv0).with("uid", uid).with("gid", uid))
}

/// An indicator of compromise; the path may end in ` (deleted)`.
pub(crate) fn ioc(executable: &str, pid: &str, severity: Severity) -> Found {
    let id = format!("{executable}:{pid}");
    let command = executable.trim_end_matches(" (deleted)").to_owned();
    let finding = Finding::new(id, "Process IOC Detected", severity, "").with("pid", pid).with("command", command);
    ("ioc", if executable.ends_with(" (deleted)") { finding.with("deleted_executable", "true") } else { finding })
}

/// An indicator for LD_PRELOAD or LD_LIBRARY_PATH.
pub(crate) fn injected(executable: &str, pid: &str) -> Found {
    with(ioc(executable, pid, Severity::Medium), "environment_issue", "true")
}

/// The same finding with one more entry of metadata.
pub(crate) fn with((scanner, finding): Found, key: &str, value: &str) -> Found {
    (scanner, finding.with(key, value))
}

/// A TCP socket of the local address 10.0.0.1; a listener is on every address.
pub(crate) fn socket(port: &str, state: &str, pid: &str, executable: &str, remote: &str, remote_port: &str) -> Found {
    let finding =
        Finding::new(format!("tcp:{port}:9{port}"), format!("tcp {state} {port}"), Severity::Low, "TCP socket")
            .with("state", state)
            .with("protocol", "tcp")
            .with("lip", if state == "LISTEN" { "0.0.0.0" } else { "10.0.0.1" })
            .with("lport", port)
            .with("pid", pid)
            .with("exe", executable)
            .with("inode", format!("9{port}"))
            .with("rip", remote)
            .with("rport", remote_port);
    ("network", finding)
}

/// A listener on every address.
pub(crate) fn listener(port: &str, pid: &str, executable: &str) -> Found {
    socket(port, "LISTEN", pid, executable, "0.0.0.0", "0")
}

/// A connection from port 50000 to a public address.
pub(crate) fn outside(pid: &str, executable: &str, remote_port: &str) -> Found {
    socket("50000", "ESTABLISHED", pid, executable, "203.0.113.9", remote_port)
}

/// A connection from port 50000 to a private address.
pub(crate) fn inside(pid: &str, executable: &str, remote_port: &str) -> Found {
    socket("50000", "ESTABLISHED", pid, executable, "10.0.0.2", remote_port)
}

/// A connection of a public client to a local port.
pub(crate) fn client(port: &str, pid: &str, executable: &str) -> Found {
    socket(port, "ESTABLISHED", pid, executable, "203.0.113.9", "50000")
}

/// A program with the SUID bit.
pub(crate) fn suid(path: &str) -> Found {
    ("suid_sgid", Finding::new(path, "SUID/SGID binary", Severity::Medium, ""))
}

/// A world-writable file.
pub(crate) fn writable(path: &str) -> Found {
    ("world_writable", Finding::new(path, "World-writable file", Severity::Medium, ""))
}

/// A kernel parameter, `mismatch` where it is not as desired.
pub(crate) fn sysctl(path: &str, current: &str, desired: &str) -> Found {
    let finding = Finding::new(path, path, Severity::Info, "").with("current", current).with("desired", desired);
    ("kernel_params", if current == desired { finding } else { finding.with("status", "mismatch") })
}

/// Address randomization with this value; 2 is as it should be.
pub(crate) fn randomization(value: &str) -> Found {
    sysctl("/proc/sys/kernel/randomize_va_space", value, "2")
}

/// Hiding of kernel pointers with this value; 1 is as it should be.
pub(crate) fn pointers(value: &str) -> Found {
    sysctl("/proc/sys/kernel/kptr_restrict", value, "1")
}

/// A loaded module.
pub(crate) fn module(name: &str) -> Found {
    ("modules", Finding::new(name, format!("Module {name}"), Severity::Info, ""))
}

/// An anomalous module: `kind` is `unsigned`, `missing_file`, ...
pub(crate) fn anomaly(name: &str, kind: &str) -> Found {
    ("modules", Finding::new(name, format!("Module anomaly: {name}"), Severity::High, "").with(kind, "true"))
}

/// A finding of `mac`: `apparmor`, `selinux` or `mac_none`.
pub(crate) fn mac(id: &str, severity: Severity) -> Found {
    ("mac", Finding::new(id, id, severity, ""))
}

/// A setting of a unit.
pub(crate) fn unit(name: &str) -> Found {
    let id = format!("systemd:NoNewPrivileges:{name}");
    ("systemd_units", Finding::new(id, name, Severity::Medium, "").with("unit", name).with("key", "NoNewPrivileges"))
}

/// The findings that a rule joins, and the near misses that it must not join.
pub(crate) struct Case {
    rule: &'static str,
    /// A scan of many other hosts, for what must not be rare.
    common: Scan,
}

impl Case {
    /// Of the rule with this id.
    pub(crate) fn of(rule: &'static str) -> Case {
        assert!(RULES.iter().any(|r| r.id == rule), "no rule {rule}");
        Case { rule, common: Vec::new() }
    }

    /// Gives `common` to many other hosts, so that it is not rare. Without it they have nothing that a test speaks of, and
    /// everything on a host is rare.
    pub(crate) fn common(self, common: Scan) -> Case {
        Case { common, ..self }
    }

    /// In one scan of one host it joins exactly `members`, in one correlation.
    pub(crate) fn joins(self, scan: Scan, members: &[&str]) -> Case {
        self.joins_last(vec![vec![scan]], members)
    }

    /// In the last scan of the first host it joins exactly `members`. Each host is a list of scans.
    pub(crate) fn joins_last(self, hosts: Vec<Vec<Scan>>, members: &[&str]) -> Case {
        let found = self.found(&hosts);
        assert_eq!(found.len(), 1, "{} fires once: {found:?}", self.rule);
        assert_eq!(found[0].related_finding_ids, members, "{}", self.rule);
        assert!(!found[0].rationale.contains('{'), "{}", found[0].rationale);
        self
    }

    /// It is silent on one scan of one host.
    pub(crate) fn ignores(self, scan: Scan) -> Case {
        self.ignores_last(vec![vec![scan]])
    }

    /// It is silent on the last scan of the first host.
    pub(crate) fn ignores_last(self, hosts: Vec<Vec<Scan>>) -> Case {
        let found = self.found(&hosts);
        assert!(found.is_empty(), "{} must be silent: {found:?}", self.rule);
        self
    }

    fn found(&self, hosts: &[Vec<Scan>]) -> Vec<Correlation> {
        let mut all = hosts.to_vec();
        let other = [something(), self.common.clone()].concat();
        all.extend(std::iter::repeat_n(vec![other], FEWEST_HOSTS));
        last(&all).1.into_iter().filter(|correlation| correlation.rule == self.rule).collect()
    }
}

/// One finding of each scanner that says what is rare.
fn something() -> Scan {
    let path = "/usr/bin/something";
    vec![
        process("2", path),
        listener("9999", "2", path),
        ioc(path, "2", Severity::Low),
        suid(path),
        writable(path),
        module("something"),
        unit("something.service"),
    ]
}

/// The last scan of the first host.
pub(crate) fn last(hosts: &[Vec<Scan>]) -> (Vec<EnrichedFinding>, Vec<Correlation>) {
    let mut comparison = Comparison::default();
    for (number, scans) in hosts.iter().enumerate() {
        let mut seen = Seen::default();
        scans.iter().for_each(|scan| fleet::collect(&RULES, &results(scan), &mut seen));
        comparison.add(&format!("host-{number}"), seen);
    }
    let fleet = comparison.finish(&RULES);
    let rules = Ruleset::new(&RULES);
    let setting = Setting { profile: Profile::Intended, rules: &rules, fleet: &fleet, suspect_at: 45 };
    let (mut past, mut last) = (Past::default(), Default::default());
    for (number, scan) in hosts[0].iter().enumerate() {
        let findings = scan.iter().map(|(scanner, finding)| ((*scanner).to_owned(), finding.clone())).collect();
        let coverage = Coverage::default();
        let one = Scanned { host: "host-0", number: number as u32, real: false, coverage, findings };
        let (mut enriched, mut correlations) = (Vec::new(), Vec::new());
        let mut keep = |finding| {
            enriched.push(finding);
            Ok(())
        };
        let mut join = |correlation| {
            correlations.push(correlation);
            Ok(())
        };
        host::scan(&setting, one, &mut past, &mut keep, &mut join).unwrap();
        last = (enriched, correlations);
    }
    last
}

fn results(scan: &Scan) -> Vec<ScannerResult> {
    scan.iter().map(|(scanner, finding)| ScannerResult::new(*scanner, vec![finding.clone()])).collect()
}

/// A critical indicator: the program's file is gone.
pub(crate) fn deleted(executable: &str, pid: &str) -> Found {
    ioc(&format!("{executable} (deleted)"), pid, Severity::Critical)
}

/// The same finding with another severity.
pub(crate) fn rated((scanner, finding): Found, severity: Severity) -> Found {
    (scanner, Finding { severity, ..finding })
}

/// The same process in a container.
pub(crate) fn contained(found: Found) -> Found {
    with(found, "container_id", "0a1b2c3d4e5f")
}

/// A finding of the check of `world_writable` that names itself in `rule`.
pub(crate) fn checked(path: &str, rule: &str) -> Found {
    with(writable(path), "rule", rule)
}

impl Case {
    /// As [`Case::joins`], and also where one other host has the same: on few hosts is rare too.
    pub(crate) fn joins_rare(self, scan: Scan, members: &[&str]) -> Case {
        self.joins(scan.clone(), members).joins_last(vec![vec![scan.clone()], vec![scan]], members)
    }
}
