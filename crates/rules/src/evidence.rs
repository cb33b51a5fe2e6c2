//! The ATT&CK techniques that traces show: of a finding by itself, and of the findings that a rule joins.
//!
//! What a suspected attack may also be is [`crate::traces`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::facts::Facts;
use crate::field::Field;
use crate::knowledge::table;
use crate::rule::{Rule, Test, all_hold};

/// The evidence of this build.
pub static EVIDENCE: LazyLock<Evidence> = LazyLock::new(|| Evidence::new(table!("evidence")));

/// The table `knowledge/attack/evidence.yaml`, by scanner.
pub struct Evidence {
    by_scanner: HashMap<String, Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scanner: String,
    #[serde(rename = "where")]
    conditions: BTreeMap<Field, Test>,
    techniques: Vec<String>,
    /// The finding shows it whatever it is joined with.
    #[serde(default)]
    alone: bool,
    /// It takes several hosts.
    #[serde(default)]
    several_hosts: bool,
}

impl Evidence {
    fn new(table: Vec<Entry>) -> Evidence {
        let mut by_scanner: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in table {
            by_scanner.entry(entry.scanner.clone()).or_default().push(entry);
        }
        Evidence { by_scanner }
    }

    /// The techniques that a finding shows by itself.
    pub fn alone(&self, facts: &Facts<'_>) -> BTreeSet<&str> {
        let entries = self.of_scanner(facts.scanner).filter(|entry| entry.alone && all_hold(&entry.conditions, facts));
        entries.flat_map(|entry| entry.techniques.iter().map(String::as_str)).collect()
    }

    /// The techniques that the findings show which a rule joins: those that it names and one of them is a trace of. A rule that
    /// names none passes on those of its findings, and none where hosts are compared: one host does not see the findings of another.
    pub fn joined(&self, rule: &Rule, members: &[&Facts<'_>]) -> Vec<String> {
        let hosts = rule.join.compares_hosts();
        if rule.techniques.is_empty() {
            let own = members.iter().filter(|_| !hosts).flat_map(|facts| self.alone(facts));
            return own.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect();
        }
        let shown = |technique: &&String| members.iter().any(|facts| self.shows(technique, facts, hosts));
        rule.techniques.iter().filter(shown).cloned().collect()
    }

    fn shows(&self, technique: &str, facts: &Facts<'_>, hosts: bool) -> bool {
        let of_technique = |entry: &&Entry| entry.techniques.iter().any(|own| own == technique);
        let mut entries = self.of_scanner(facts.scanner).filter(of_technique);
        entries.any(|entry| (hosts || !entry.several_hosts) && all_hold(&entry.conditions, facts))
    }

    fn of_scanner(&self, scanner: &str) -> impl Iterator<Item = &Entry> {
        self.by_scanner.get(scanner).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::RULES;
    use scan::{Finding, Severity};

    fn process(uid: &str, argv0: &str) -> Finding {
        Finding::new("7", "t", Severity::Info, argv0).with("uid", uid)
    }

    fn rule(id: &str) -> &'static Rule {
        RULES.iter().find(|rule| rule.id == id).unwrap()
    }

    #[test]
    fn a_trace_shows_its_techniques_and_a_plain_finding_none() {
        let alone = |scanner: &str, finding: &Finding| -> Vec<String> {
            EVIDENCE.alone(&Facts::alone(scanner, finding)).into_iter().map(str::to_owned).collect()
        };
        assert_eq!(alone("processes", &process("33", "/tmp/.x")), ["T1105", "T1564.001"]);
        assert_eq!(alone("processes", &process("33", "/bin/sh")), ["T1059.004"]);
        assert_eq!(alone("processes", &process("0", "/bin/bash")), [""; 0]);
        assert_eq!(alone("processes", &process("33", "/usr/sbin/nginx")), [""; 0]);
        let tpm = Finding::new("kernel:tpm", "No TPM device", Severity::Low, "");
        assert_eq!(alone("kernel_hardening", &tpm), [""; 0]);
    }

    #[test]
    fn a_rule_bears_what_one_of_its_findings_shows_and_one_that_names_none_passes_on_theirs() {
        let (shell, temporary, plain) =
            (process("33", "/bin/sh"), process("33", "/tmp/x"), process("33", "/usr/bin/x"));
        let joined = |id: &str, members: &[&Finding]| {
            let facts: Vec<Facts<'_>> = members.iter().map(|finding| Facts::alone("processes", finding)).collect();
            EVIDENCE.joined(rule(id), &facts.iter().collect::<Vec<_>>())
        };
        let shells = "service-shell-with-temporary-program";
        assert_eq!(joined(shells, &[&shell, &temporary]), ["T1059.004", "T1105", "T1190"]);
        assert_eq!(joined(shells, &[&plain]), [""; 0]);
        assert_eq!(joined("pattern-of-process", &[&plain, &shell]), ["T1059.004"]);
        assert_eq!(joined("pattern-of-process", &[&plain]), [""; 0]);
    }

    #[test]
    fn every_technique_that_a_rule_names_can_be_shown_by_what_it_joins() {
        for rule in RULES.iter() {
            for technique in &rule.techniques {
                let scanners = rule.sides().flat_map(|side| side.scanners());
                let known = scanners.flat_map(|scanner| EVIDENCE.of_scanner(scanner));
                let hosts = rule.join.compares_hosts();
                let mut known = known.filter(|entry| hosts || !entry.several_hosts);
                assert!(known.any(|entry| entry.techniques.contains(technique)), "{}: {technique}", rule.id);
            }
        }
    }
}
