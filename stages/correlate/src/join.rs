//! Evaluates rules on one scan. Findings that share a value become one correlation, so there are at most as many correlations as
//! values, and the work is linear in the findings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::fleet::Fleet;
use crate::graph::Graph;
use crate::history::History;
use crate::late;
use crate::matched::Match;
use crate::sides::{Members, Ruleset};
use rules::facts::Facts;
use rules::field::Field;
use rules::rule::Join;
use rules::usual::Oddity;

/// Every match of the rules on a scan, by rule and then by value, and the graph of its findings. Values that later scans are
/// compared with go into `history`.
pub fn matches<'r>(
    rules: &Ruleset<'_>,
    findings: &[Facts<'_>],
    fleet: &'r Fleet,
    history: &mut History,
) -> (Vec<Match<'r>>, Graph) {
    let members = rules.members(findings);
    let mut scan = Scan { findings, members, oddities: HashMap::new() };
    let mut found = Vec::new();
    for (number, rule) in rules.rules.iter().enumerate() {
        let before = found.len();
        match &rule.join {
            Join::Key { field, to, .. } => scan.join_key(number, field, to, &mut found),
            Join::Host { .. } => scan.join_host(number, &mut found),
            Join::Together { scanners } => scan.join_together(number, *scanners, &mut found),
            Join::Unusual { in_10000, more_than } => scan.join_unusual(number, *in_10000, *more_than, &mut found),
            Join::Rare(_) | Join::Clusters { .. } | Join::Beside(_) => {}
            Join::Window { scans, scanners } => scan.join_window(number, *scans, *scanners, &mut found),
            Join::Earlier { field, to, scans, .. } => {
                let rights = scan.by_value(&scan.members.right(number), to);
                for (value, lefts) in scan.by_value(&scan.members.left(number), field) {
                    if history.within(number, &value, *scans) {
                        found.push(Match::new(number, value.into_owned(), lefts, Vec::new()));
                    }
                }
                history.note(number, rights.into_keys());
            }
            Join::Hosts { field, .. } => scan.join_hosts(number, field, None, fleet, &mut found),
            Join::Peers { field, to, .. } => scan.join_hosts(number, field, Some(to), fleet, &mut found),
        }
        scan.members.note(number, &found[before..]);
    }
    history.end_scan();
    let graph = late::add(rules.rules, findings, &scan.members, &mut found);
    (found, graph)
}

struct Scan<'s, 'a> {
    findings: &'s [Facts<'a>],
    members: Members<'s>,
    /// Per set that is asked for them; rules ask with several thresholds.
    oddities: HashMap<usize, Vec<Oddity>>,
}

type Groups<'a> = BTreeMap<Cow<'a, str>, Vec<usize>>;

impl<'a> Scan<'_, 'a> {
    fn by_value(&self, members: &[usize], field: &Field) -> Groups<'a> {
        let mut groups = Groups::new();
        for &index in members {
            if let Some(value) = self.findings[index].get(field) {
                groups.entry(value).or_default().push(index);
            }
        }
        groups
    }

    fn join_key(&self, rule: usize, field: &Field, to: &Field, found: &mut Vec<Match<'_>>) {
        let (left, right) = (self.members.left(rule), self.members.right(rule));
        if left.is_empty() || right.is_empty() {
            return;
        }
        let mut rights = self.by_value(&right, to);
        for (value, lefts) in self.by_value(&left, field) {
            if let Some(rights) = rights.remove(&value) {
                push_both(found, Match::new(rule, value.into_owned(), lefts, rights));
            }
        }
    }

    fn join_host(&self, rule: usize, found: &mut Vec<Match<'_>>) {
        let (left, right) = (self.members.left(rule), self.members.right(rule));
        if !left.is_empty() && !right.is_empty() {
            push_both(found, Match::new(rule, String::new(), left.into_owned(), right.into_owned()));
        }
    }

    fn join_together(&self, rule: usize, scanners: usize, found: &mut Vec<Match<'_>>) {
        let members = self.members.left(rule);
        if self.scanners(&members) >= scanners {
            found.push(Match::new(rule, String::new(), members.into_owned(), Vec::new()));
        }
    }

    fn join_unusual(&mut self, rule: usize, in_10000: u32, more_than: Option<u32>, found: &mut Vec<Match<'_>>) {
        let (findings, members) = (self.findings, &self.members);
        let oddities = self.oddities.entry(members.left_side(rule));
        for odd in oddities.or_insert_with(|| Oddity::all(findings, &members.left(rule))) {
            if odd.is_rare(in_10000) && !more_than.is_some_and(|most| odd.is_rare(most)) {
                found.push(Match::new(rule, odd.key.clone(), odd.members.clone(), Vec::new()));
            }
        }
    }

    /// Findings of the host's first scan began at an unknown time, so they are left out.
    fn join_window(&self, rule: usize, scans: u32, scanners: usize, found: &mut Vec<Match<'_>>) {
        let appeared =
            |&index: &usize| self.findings[index].first_seen.filter(|scan| *scan > 0).map(|scan| (scan, index));
        let mut members: Vec<(u32, usize)> = self.members.left(rule).iter().filter_map(appeared).collect();
        members.sort_unstable();
        for group in members.chunk_by(|(earlier, _), (later, _)| later - earlier <= scans) {
            let indices: Vec<usize> = group.iter().map(|(_, index)| *index).collect();
            if self.scanners(&indices) >= scanners {
                found.push(Match::new(rule, group[0].0.to_string(), indices, Vec::new()));
            }
        }
    }

    fn join_hosts<'r>(
        &self,
        rule: usize,
        field: &Field,
        to: Option<&Field>,
        fleet: &'r Fleet,
        found: &mut Vec<Match<'r>>,
    ) {
        let mut rights = to.map(|to| self.by_value(&self.members.right(rule), to)).unwrap_or_default();
        let mut lefts = self.by_value(&self.members.left(rule), field);
        let values: BTreeSet<Cow<'_, str>> = lefts.keys().chain(rights.keys()).cloned().collect();
        for value in values {
            if let Some(hosts) = fleet.hosts(rule, &value) {
                let (left, right) =
                    (lefts.remove(&value).unwrap_or_default(), rights.remove(&value).unwrap_or_default());
                found.push(Match { hosts, ..Match::new(rule, value.into_owned(), left, right) });
            }
        }
    }

    fn scanners(&self, members: &[usize]) -> usize {
        members.iter().map(|&index| self.findings[index].scanner).collect::<HashSet<_>>().len()
    }
}

/// A finding that is in both sets is not joined with itself, but two such are with each other.
fn push_both<'r>(found: &mut Vec<Match<'r>>, one: Match<'r>) {
    if one.left.len() + one.right.len() > 1 {
        found.push(one);
    }
}
