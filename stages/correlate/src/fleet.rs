//! Values that several hosts share: what the rules that compare hosts are answered from.
//!
//! Collected in a pass of its own, because a host's lines are written before the next host is read. Held in memory: only
//! values that such a rule asks for.

use std::collections::{BTreeSet, HashMap, HashSet};

use scan::ScannerResult;

use crate::facts::{Facts, Terms};
use crate::rule::{Join, Rule};

/// Hosts by rule and shared value.
#[derive(Default)]
pub struct Fleet {
    shared: HashMap<(usize, String), Vec<String>>,
}

/// The values of one host that a rule asks for: place of the rule, value.
pub type Values = HashSet<(usize, String)>;

/// Whether a rule that compares hosts looks at the findings of `scanner`.
pub fn asks_for(rules: &[Rule], scanner: &str) -> bool {
    rules.iter().any(|rule| matches!(rule.join, Join::Hosts { .. }) && rule.find.scanner == scanner)
}

/// Collects the values of one scan.
pub fn collect(rules: &[Rule], results: &[ScannerResult], values: &mut Values) {
    for (number, rule) in rules.iter().enumerate() {
        let Join::Hosts { field, .. } = &rule.join else { continue };
        let of_scanner = results.iter().filter(|result| result.scanner == rule.find.scanner);
        for finding in of_scanner.flat_map(|result| &result.findings) {
            let scanner = rule.find.scanner.as_str();
            let facts = Facts { scanner, finding, terms: Terms::of(scanner, finding), change: None };
            if let Some(value) = facts.get(field).filter(|_| rule.find.holds(&facts)) {
                values.insert((number, value.to_owned()));
            }
        }
    }
}

/// Whether any rule compares hosts at all.
pub fn needed(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| matches!(rule.join, Join::Hosts { .. }))
}

impl Fleet {
    /// What at least as many hosts share as each rule wants.
    pub fn new(rules: &[Rule], hosts: impl IntoIterator<Item = (String, Values)>) -> Fleet {
        let mut all: HashMap<(usize, String), BTreeSet<String>> = HashMap::new();
        for (host, values) in hosts {
            for value in values {
                all.entry(value).or_default().insert(host.clone());
            }
        }
        let enough = |rule: usize| match rules[rule].join {
            Join::Hosts { at_least, .. } => at_least,
            _ => usize::MAX,
        };
        let shared = all
            .into_iter()
            .filter(|((rule, _), hosts)| hosts.len() >= enough(*rule))
            .map(|(key, hosts)| (key, hosts.into_iter().collect()))
            .collect();
        Fleet { shared }
    }

    /// The hosts that share `value`, where there are enough of them.
    pub fn hosts(&self, rule: usize, value: &str) -> Option<&[String]> {
        self.shared.get(&(rule, value.to_owned())).map(Vec::as_slice)
    }
}
