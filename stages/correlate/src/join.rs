//! Evaluates rules on one scan. What shares a value becomes one correlation, so there are at most as many as values, and
//! the work is linear in the findings.

use std::collections::{BTreeMap, HashMap};

use contract::Digest;

use crate::facts::{Facts, Field};
use crate::fleet::Fleet;
use crate::rule::{Join, Rule, Side};

/// Members that one correlation names; what lies beyond is only counted.
pub const MEMBER_LIMIT: usize = 24;

/// One match of one rule: indices into the scan's findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'r> {
    /// The rule's place in the set.
    pub rule: usize,
    /// The value that was shared; empty where the host itself is what is shared.
    pub key: String,
    /// The first findings it joins, first set before second, at most [`MEMBER_LIMIT`].
    pub members: Vec<usize>,
    /// How many it joins in all.
    pub member_count: usize,
    /// Of the first set.
    pub left: usize,
    /// Of the second set.
    pub right: usize,
    /// Where hosts were compared: all that share the value.
    pub hosts: &'r [String],
}

/// Every match of `rules` on a scan, by rule and then by value.
pub fn matches<'r>(rules: &[Rule], findings: &[Facts<'_>], fleet: &'r Fleet) -> Vec<Match<'r>> {
    let mut by_scanner: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, facts) in findings.iter().enumerate() {
        by_scanner.entry(facts.scanner).or_default().push(index);
    }
    let scan = Scan { findings, by_scanner };
    let mut found = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        match &rule.join {
            Join::Key { field, with, to } => scan.join_key(number, &rule.find, field, with, to, &mut found),
            Join::Host { with } => scan.join_host(number, &rule.find, with, &mut found),
            Join::Hosts { field, .. } => scan.join_hosts(number, &rule.find, field, fleet, &mut found),
        }
    }
    found
}

struct Scan<'s, 'a> {
    findings: &'s [Facts<'a>],
    by_scanner: HashMap<&'s str, Vec<usize>>,
}

impl<'a> Scan<'_, 'a> {
    fn members<'x>(&'x self, side: &'x Side) -> impl Iterator<Item = usize> + 'x {
        let all = self.by_scanner.get(side.scanner.as_str()).map_or(&[][..], Vec::as_slice);
        all.iter().copied().filter(|&index| side.holds(&self.findings[index]))
    }

    fn by_value(&self, side: &Side, field: &Field) -> BTreeMap<&'a str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for index in self.members(side) {
            if let Some(value) = self.findings[index].get(field) {
                groups.entry(value).or_default().push(index);
            }
        }
        groups
    }

    fn join_key(&self, rule: usize, left: &Side, field: &Field, with: &Side, to: &Field, found: &mut Vec<Match<'_>>) {
        let lefts = self.by_value(left, field);
        if lefts.is_empty() {
            return;
        }
        let rights = self.by_value(with, to);
        for (value, lefts) in lefts {
            if let Some(rights) = rights.get(value) {
                found.push(Match::new(rule, value, &lefts, rights, &[]));
            }
        }
    }

    fn join_host(&self, rule: usize, left: &Side, with: &Side, found: &mut Vec<Match<'_>>) {
        let lefts: Vec<usize> = self.members(left).collect();
        if lefts.is_empty() {
            return;
        }
        let rights: Vec<usize> = self.members(with).collect();
        if !rights.is_empty() {
            found.push(Match::new(rule, "", &lefts, &rights, &[]));
        }
    }

    fn join_hosts<'r>(&self, rule: usize, side: &Side, field: &Field, fleet: &'r Fleet, found: &mut Vec<Match<'r>>) {
        for (value, members) in self.by_value(side, field) {
            if let Some(hosts) = fleet.hosts(rule, value) {
                found.push(Match::new(rule, value, &members, &[], hosts));
            }
        }
    }
}

impl<'r> Match<'r> {
    fn new(rule: usize, key: &str, left: &[usize], right: &[usize], hosts: &'r [String]) -> Match<'r> {
        // Both sides stay visible when one is long.
        let from_left = left.len().min(MEMBER_LIMIT - right.len().min(MEMBER_LIMIT / 2));
        let from_right = right.len().min(MEMBER_LIMIT - from_left);
        Match {
            rule,
            key: key.to_owned(),
            members: left[..from_left].iter().chain(&right[..from_right]).copied().collect(),
            member_count: left.len() + right.len(),
            left: left.len(),
            right: right.len(),
            hosts,
        }
    }

    /// The correlation's id: the same for the same rule and value on one scan, and on all hosts where hosts were compared.
    pub fn id(&self, rule: &Rule, host: &str, scan: u32) -> String {
        let place = if self.hosts.is_empty() { format!("{host}\0{scan}") } else { String::new() };
        let digest = Digest::of(format!("{}\0{place}\0{}", rule.id, self.key).as_bytes());
        format!("{}:{}", rule.id, digest.short())
    }

    /// The rule's rationale with its figures filled in.
    pub fn rationale(&self, rule: &Rule) -> String {
        rule.rationale
            .replace("{left}", &self.left.to_string())
            .replace("{right}", &self.right.to_string())
            .replace("{hosts}", &self.hosts.len().to_string())
            .replace("{key}", &self.key)
    }
}
