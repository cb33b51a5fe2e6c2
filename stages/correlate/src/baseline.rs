//! The contents of a host's earlier scans.
//!
//! The agent names a finding by host, scanner, id, title and severity. Pids and inodes differ after each boot, so findings
//! named by them would be new forever; those are named by executable, address and port instead.
//!
//! A finding is held against the scans that would have shown it ([`scan::Coverage`]): a scan in another mode makes nothing new.

use std::collections::HashMap;

use findings::terms::Terms;
use scan::{Coverage, Finding};

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
    /// The first scan that does, which may be the current one; the host's first where no earlier scan would have shown it, as that
    /// is since when it may be there.
    pub first: u32,
    /// How many would have shown it, or do.
    pub earlier: u32,
}

/// Counts, per finding, the earlier scans that hold it.
#[derive(Default)]
pub struct Baseline {
    seen: HashMap<String, Seen>,
    /// With the first scan that may have held each.
    current: HashMap<String, u32>,
    earlier: Vec<Coverage>,
    coverage: Coverage,
    /// Of the current scan, by scanner: how many earlier scans compare with it.
    comparable: HashMap<String, u32>,
}

impl Baseline {
    /// Begins a scan that covers `coverage`.
    pub fn begin_scan(&mut self, coverage: Coverage) {
        self.coverage = coverage;
    }

    /// Notes a finding of the current scan and says what earlier scans hold of it.
    pub fn observe(&mut self, scanner: &str, finding: &Finding, terms: &Terms<'_>) -> Sightings {
        let key = key(scanner, finding, terms);
        let comparable = self.comparable(scanner);
        let now = Seen { first: if comparable == 0 { 0 } else { self.scans() }, scans: 0 };
        let seen = *self.seen.get(&key).unwrap_or(&now);
        self.current.entry(key).or_insert(now.first);
        Sightings { count: seen.scans, first: seen.first, earlier: comparable.max(seen.scans) }
    }

    /// How many earlier scans would have shown what the current one shows of a scanner.
    fn comparable(&mut self, scanner: &str) -> u32 {
        if let Some(known) = self.comparable.get(scanner) {
            return *known;
        }
        let count = self.earlier.iter().filter(|earlier| earlier.compares(&self.coverage, scanner)).count() as u32;
        self.comparable.insert(scanner.to_owned(), count);
        count
    }

    fn scans(&self) -> u32 {
        self.earlier.len() as u32
    }

    /// Ends the current scan: what it held is history from now on.
    pub fn end_scan(&mut self) {
        for (key, first) in self.current.drain() {
            self.seen.entry(key).or_insert(Seen { first, scans: 0 }).scans += 1;
        }
        self.comparable.clear();
        self.earlier.push(std::mem::take(&mut self.coverage));
    }
}

impl Sightings {
    /// How the finding relates to the scans that would have shown it.
    pub fn change(&self) -> Change {
        match (self.earlier, self.count) {
            (0, _) => Change::First,
            (_, 0) => Change::Appeared,
            _ => Change::Stayed,
        }
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

    fn change(baseline: &mut Baseline, finding: &Finding) -> Change {
        baseline.observe("suid_sgid", finding, &Terms::of("suid_sgid", finding)).change()
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
        baseline.end_scan();
        assert_eq!(observe(&mut baseline, "processes", &process("9")), 1);
        assert_eq!(observe(&mut baseline, "network", &socket("2002")), 1);
    }

    #[test]
    fn what_an_earlier_scan_lacks_appeared_and_what_it_holds_stayed() {
        let mut baseline = Baseline::default();
        let program = |path: &str| Finding::new(path, "SUID/SGID binary", Severity::Medium, "");
        assert_eq!(change(&mut baseline, &program("/a")), Change::First);
        baseline.end_scan();
        assert_eq!(change(&mut baseline, &program("/a")), Change::Stayed);
        assert_eq!(change(&mut baseline, &program("/b")), Change::Appeared);
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
