//! The agent's baseline of one host, for profile `agent`: how often it counted a finding before.
//!
//! It names a finding by scanner, id, title and severity, so one named by a pid or an inode is new after each boot. It counts every
//! occurrence, and what it says of a finding is what it said of the last one in the scan: an id that stands twice has been seen. It
//! names a host with its kernel, so an upgraded kernel makes every finding new.

use std::collections::HashMap;

use findings::agent;
use scan::{Finding, Report};

/// Counts by host and finding.
#[derive(Default)]
pub struct Counted {
    /// As the agent names it.
    host: String,
    occurrences: HashMap<String, HashMap<String, u32>>,
}

impl Counted {
    /// Turns to the host of a report.
    pub fn turn_to(&mut self, report: &Report) {
        self.host = match report.meta_text("host_id") {
            Some(own) if !own.is_empty() => own.to_owned(),
            // The agent joins both with a bar and hashes them.
            _ => format!("{}|{}", report.hostname(), report.kernel().unwrap_or_default()),
        };
    }

    /// Counts the findings of one scan, and says how often each was counted before its last occurrence.
    pub fn count(&mut self, findings: &[(String, Finding)]) -> Vec<u32> {
        let known = self.occurrences.entry(self.host.clone()).or_default();
        let keys: Vec<String> = findings.iter().map(|(scanner, finding)| key(scanner, finding)).collect();
        for key in &keys {
            *known.entry(key.clone()).or_default() += 1;
        }
        keys.iter().map(|key| known[key] - 1).collect()
    }
}

/// Lines, as the agent hashes them. The policy has been at the severity by then.
fn key(scanner: &str, finding: &Finding) -> String {
    let severity = agent::severity(finding.severity, finding.get("exe"));
    format!("{scanner}\0{}\n{}\n{severity}\n", finding.id, finding.title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::Severity;

    fn found(scanner: &str, id: &str, severity: Severity) -> (String, Finding) {
        (scanner.to_owned(), Finding::new(id, "title", severity, ""))
    }

    #[test]
    fn every_occurrence_counts_and_the_last_one_speaks_for_all() {
        let mut counted = Counted::default();
        let scan = [found("network", "a", Severity::Low), found("network", "b", Severity::Low)];
        let twice = [scan[0].clone(), scan[1].clone(), scan[0].clone()];
        assert_eq!(counted.count(&twice), [1, 0, 1]);
        assert_eq!(counted.count(&scan), [2, 1]);
        assert_eq!(counted.count(&twice), [4, 2, 4]);
        counted.host = "host|another kernel".to_owned();
        assert_eq!(counted.count(&scan), [0, 0]);
    }

    #[test]
    fn a_finding_is_its_scanner_its_id_and_the_severity_after_the_policy() {
        let mut counted = Counted::default();
        counted.count(&[found("ioc", "a", Severity::Low)]);
        let others =
            [found("mac", "a", Severity::Low), found("ioc", "b", Severity::Low), found("ioc", "a", Severity::High)];
        assert_eq!(counted.count(&others), [0, 0, 0]);
        // Low before the policy, high after it, as the last of the three.
        let (scanner, finding) = found("ioc", "a", Severity::Low);
        assert_eq!(counted.count(&[(scanner, finding.with("exe", "/tmp/x"))]), [1]);
    }
}
