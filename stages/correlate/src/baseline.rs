//! The contents of a host's earlier scans.
//!
//! The agent names a finding by host, scanner, id, title and severity. Pids and inodes differ after each boot, so findings
//! named by them would be new forever; those are named by executable, address and port instead.

use std::collections::{HashMap, HashSet};

use findings::terms::Terms;
use scan::Finding;

use rules::facts::Change;

/// Of one finding.
#[derive(Clone, Copy)]
struct Seen {
    first: u32,
    scans: u32,
}

/// The history of a finding in earlier scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sightings {
    /// How many hold it.
    pub count: u32,
    /// The first scan that does, which may be the current one.
    pub first: u32,
}

/// Counts, per finding, the earlier scans that hold it.
#[derive(Default)]
pub struct Baseline {
    seen: HashMap<String, Seen>,
    current: HashSet<String>,
    scans: u32,
}

impl Baseline {
    /// Notes a finding of the current scan and says what earlier scans hold of it.
    pub fn observe(&mut self, scanner: &str, finding: &Finding, terms: &Terms<'_>) -> Sightings {
        let key = key(scanner, finding, terms);
        let seen = self.seen.get(&key).copied().unwrap_or(Seen { first: self.scans, scans: 0 });
        self.current.insert(key);
        Sightings { count: seen.scans, first: seen.first }
    }

    /// How a finding with `sightings` relates to the earlier scans.
    pub fn change(&self, sightings: u32) -> Change {
        match (self.scans, sightings) {
            (0, _) => Change::First,
            (_, 0) => Change::Appeared,
            _ => Change::Stayed,
        }
    }

    /// Scans that are over.
    pub fn scans(&self) -> u32 {
        self.scans
    }

    /// Ends the current scan: what it held is history from now on.
    pub fn end_scan(&mut self) {
        for key in self.current.drain() {
            self.seen.entry(key).or_insert(Seen { first: self.scans, scans: 0 }).scans += 1;
        }
        self.scans += 1;
    }
}

fn key(scanner: &str, finding: &Finding, terms: &Terms<'_>) -> String {
    let severity = finding.severity.name();
    match scanner {
        "processes" => join(&[scanner, terms.executable.unwrap_or("-"), severity]),
        "ioc" => join(&[scanner, terms.executable.unwrap_or("-"), &finding.title, severity]),
        "network" => join(&[
            scanner,
            finding.get("protocol").unwrap_or("-"),
            finding.get("state").unwrap_or("-"),
            terms.executable.unwrap_or("-"),
            endpoint(finding, terms),
            severity,
        ]),
        _ => join(&[scanner, &finding.id, &finding.title, severity]),
    }
}

/// A listener is its own port; a connection's own port is arbitrary, so its other end identifies it.
fn endpoint<'a>(finding: &'a Finding, terms: &Terms<'a>) -> &'a str {
    match finding.get("state") {
        Some("LISTEN") | None => terms.port.unwrap_or("-"),
        Some(_) => finding.get("rip").unwrap_or("-"),
    }
}

fn join(parts: &[&str]) -> String {
    parts.join("\0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::Severity;

    fn observe(baseline: &mut Baseline, scanner: &str, finding: &Finding) -> u32 {
        baseline.observe(scanner, finding, &Terms::of(scanner, finding)).count
    }

    #[test]
    fn a_reboot_does_not_make_a_process_or_a_listener_new() {
        let mut baseline = Baseline::default();
        let process = |pid: &str| Finding::new(pid, format!("Process {pid}"), Severity::Info, "/usr/sbin/sshd");
        let socket = |inode: &str| {
            Finding::new(format!("tcp:22:{inode}"), "tcp LISTEN 22", Severity::High, "TCP socket")
                .with("protocol", "tcp")
                .with("state", "LISTEN")
                .with("lport", "22")
                .with("exe", "/usr/sbin/sshd")
        };
        assert_eq!(observe(&mut baseline, "processes", &process("7")), 0);
        assert_eq!(observe(&mut baseline, "network", &socket("1001")), 0);
        assert_eq!(baseline.change(0), Change::First);
        baseline.end_scan();
        assert_eq!(observe(&mut baseline, "processes", &process("9")), 1);
        assert_eq!(observe(&mut baseline, "network", &socket("2002")), 1);
        assert_eq!((baseline.change(0), baseline.change(1)), (Change::Appeared, Change::Stayed));
    }

    #[test]
    fn one_scan_counts_once_and_a_raised_severity_is_new() {
        let mut baseline = Baseline::default();
        let finding = Finding::new("/etc/x", "World-writable file", Severity::Medium, "");
        observe(&mut baseline, "world_writable", &finding);
        observe(&mut baseline, "world_writable", &finding);
        baseline.end_scan();
        assert_eq!(observe(&mut baseline, "world_writable", &finding), 1);
        let raised = Finding { severity: Severity::High, ..finding };
        assert_eq!(observe(&mut baseline, "world_writable", &raised), 0);
    }
}
