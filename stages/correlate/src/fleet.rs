//! Values that several hosts share: what the rules that compare hosts are answered from.
//!
//! Collected in a pass of its own, because a host's lines are written before the next host is read. Held in memory: only
//! values that such a rule asks for, and after the pass only those that are shared; and how many hosts each name is on, and each
//! scanner says anything of.

use std::collections::{BTreeSet, HashMap, HashSet};

use findings::{Prevalence, place};
use scan::ScannerResult;

use rules::facts::Facts;
use rules::field::Field;
use rules::rule::{Join, Rule, Side};

/// A name on at most one in so many hosts, of those that a scanner says anything of, is on few.
const FEW: usize = 50;
/// Fewer hosts say nothing about what is rare: a name that one host has and none of N others may be on 3 in N of all hosts (the rule of
/// three, at 95 % confidence). `measured/usual.yaml` is counted on fleets of this size.
pub const FEWEST_HOSTS: usize = 3 * FEW;
/// Fewer hosts of which a scanner says anything say nothing about what is rare among the things that it names.
const FEWEST_OF_SCANNER: usize = 30;
/// A name on so many hosts is on few, whatever the number of hosts that a scanner says anything of.
const ALWAYS_FEW: u32 = 2;

/// The figures of all hosts together.
#[derive(Default)]
pub struct Fleet {
    shared: HashMap<usize, HashMap<String, Vec<String>>>,
    hosts_with: HashMap<String, u32>,
    hosts_of: HashMap<String, usize>,
    hosts: usize,
}

/// All hosts so far.
#[derive(Default)]
pub struct Comparison {
    holders: HashMap<(usize, String), BTreeSet<(Part, String)>>,
    hosts_with: HashMap<String, u32>,
    hosts_of: HashMap<String, usize>,
    hosts: usize,
}

/// The contribution of one host.
#[derive(Default)]
pub struct Seen {
    values: HashSet<(usize, Part, String)>,
    names: HashSet<String>,
    scanners: HashSet<String>,
}

/// Which set of a rule a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The first.
    Left,
    /// The second.
    Right,
}

/// The scanners whose findings have a part in what is compared; none where nothing is.
pub fn scanners(rules: &[Rule]) -> HashSet<&str> {
    let comparing = rules.iter().filter(|rule| rule.join.compares_hosts() || asks_prevalence(rule));
    comparing.flat_map(Rule::sides).flat_map(Side::scanners).collect()
}

fn asks_prevalence(rule: &Rule) -> bool {
    let unusual = matches!(rule.join, Join::Unusual { .. } | Join::Rare(_) | Join::Beside(_));
    unusual || rule.sides().flat_map(Side::fields).any(|field| matches!(field, Field::Prevalence | Field::Kind))
}

/// Collects the values of one scan.
pub fn collect(rules: &[Rule], results: &[ScannerResult], seen: &mut Seen) {
    for result in results.iter().filter(|result| !result.findings.is_empty()) {
        if !seen.scanners.contains(&result.scanner) {
            seen.scanners.insert(result.scanner.clone());
        }
        for name in result
            .findings
            .iter()
            .filter_map(|finding| Facts::alone(&result.scanner, finding).name())
            .map(place::merged)
        {
            if !seen.names.contains(name) {
                seen.names.insert(name.to_owned());
            }
        }
    }
    for (number, rule) in rules.iter().enumerate() {
        let sides = match &rule.join {
            Join::Hosts { field, .. } => vec![(Part::Left, &rule.find, field)],
            Join::Peers { field, with, to } => vec![(Part::Left, &rule.find, field), (Part::Right, with, to)],
            _ => continue,
        };
        for (part, side, field) in sides {
            let of_side = results.iter().filter(|result| side.scanners().any(|scanner| scanner == result.scanner));
            let findings = of_side.flat_map(|r| r.findings.iter().map(|finding| Facts::alone(&r.scanner, finding)));
            for facts in findings.filter(|facts| side.holds(facts)) {
                seen.values.extend(facts.get(field).map(|value| (number, part, value.into_owned())));
            }
        }
    }
}

impl Comparison {
    /// Adds what one host has.
    pub fn add(&mut self, host: &str, seen: Seen) {
        self.hosts += 1;
        for name in seen.names {
            *self.hosts_with.entry(name).or_default() += 1;
        }
        for scanner in seen.scanners {
            *self.hosts_of.entry(scanner).or_default() += 1;
        }
        for (rule, part, value) in seen.values {
            self.holders.entry((rule, value)).or_default().insert((part, host.to_owned()));
        }
    }

    /// The artifacts that at least as many hosts share as each rule wants.
    pub fn finish(self, rules: &[Rule]) -> Fleet {
        let mut shared: HashMap<usize, HashMap<String, Vec<String>>> = HashMap::new();
        for ((rule, value), holders) in self.holders {
            if is_shared(&rules[rule], &holders) {
                let hosts: BTreeSet<String> = holders.into_iter().map(|(_, host)| host).collect();
                shared.entry(rule).or_default().insert(value, hosts.into_iter().collect());
            }
        }
        Fleet { shared, hosts_with: self.hosts_with, hosts_of: self.hosts_of, hosts: self.hosts }
    }
}

impl Fleet {
    /// Whether there are enough hosts, of enough of which `scanner` says anything, to tell what is rare.
    pub fn tells(&self, scanner: &str) -> bool {
        self.speakers(scanner).is_some()
    }

    fn speakers(&self, scanner: &str) -> Option<usize> {
        let of = self.hosts_of.get(scanner).copied().filter(|hosts| *hosts >= FEWEST_OF_SCANNER)?;
        (self.hosts >= FEWEST_HOSTS).then_some(of)
    }

    /// On how many hosts `name` is, of which `scanner` speaks, where there are enough hosts to tell.
    pub fn prevalence(&self, scanner: &str, name: &str) -> Option<Prevalence> {
        let of = self.speakers(scanner)?;
        let hosts = self.hosts_with.get(place::merged(name)).copied().unwrap_or(1);
        let few = ALWAYS_FEW.max((of / FEW) as u32);
        Some(if hosts <= 1 {
            Prevalence::One
        } else if hosts <= few {
            Prevalence::Few
        } else {
            Prevalence::Many
        })
    }

    /// The hosts that share `value`, where there are enough of them.
    pub fn hosts(&self, rule: usize, value: &str) -> Option<&[String]> {
        self.shared.get(&rule)?.get(value).map(Vec::as_slice)
    }
}

fn is_shared(rule: &Rule, holders: &BTreeSet<(Part, String)>) -> bool {
    match rule.join {
        Join::Hosts { at_least, .. } => holders.len() >= at_least,
        Join::Peers { .. } => {
            let of = |part| holders.iter().filter(move |(own, _)| *own == part).map(|(_, host)| host);
            of(Part::Left).any(|left| of(Part::Right).any(|right| left != right))
        }
        _ => false,
    }
}
