//! Which findings of a scan belong to which set of the rules. Rules share sets; each is evaluated once, on the findings of its
//! scanners only.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::matched::Match;
use rules::facts::Facts;
use rules::rule::{Rule, Side};

/// Rules with their distinct sets.
pub struct Ruleset<'r> {
    /// The rules, in order.
    pub rules: &'r [Rule],
    sides: Vec<&'r Side>,
    of_rule: Vec<(usize, Option<usize>)>,
    by_scanner: HashMap<&'r str, Vec<usize>>,
    wants: Vec<Option<usize>>,
}

impl<'r> Ruleset<'r> {
    /// Sorts out the sets of `rules`.
    pub fn new(rules: &'r [Rule]) -> Ruleset<'r> {
        let mut sides: Vec<&Side> = Vec::new();
        let mut number = |side: &'r Side| {
            sides.iter().position(|known| *known == side).unwrap_or_else(|| {
                sides.push(side);
                sides.len() - 1
            })
        };
        let of_rule = rules.iter().map(|rule| (number(&rule.find), rule.join.with().map(&mut number))).collect();
        let mut by_scanner: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, side) in sides.iter().enumerate() {
            for scanner in side.scanners() {
                let numbers = by_scanner.entry(scanner).or_default();
                if numbers.last() != Some(&number) {
                    numbers.push(number);
                }
            }
        }
        let place = |id: &String| rules.iter().position(|rule| rule.id == *id);
        let wants = sides.iter().map(|side| side.joined_by.as_ref().and_then(place)).collect();
        Ruleset { rules, sides, of_rule, by_scanner, wants }
    }

    /// The members of every set among the findings of one scan.
    pub fn members(&self, findings: &[Facts<'_>]) -> Members<'_> {
        let mut of_side = vec![Vec::new(); self.sides.len()];
        for (index, facts) in findings.iter().enumerate() {
            for &side in self.by_scanner.get(facts.scanner).into_iter().flatten() {
                if self.sides[side].holds(facts) {
                    of_side[side].push(index);
                }
            }
        }
        let joined_by = self.wants.iter().flatten().map(|rule| (*rule, HashSet::new())).collect();
        Members { of_rule: &self.of_rule, of_side, wants: &self.wants, joined_by }
    }
}

/// Members of sets, as places among the findings.
pub struct Members<'s> {
    of_rule: &'s [(usize, Option<usize>)],
    of_side: Vec<Vec<usize>>,
    /// Per set, the rule that must have joined its members.
    wants: &'s [Option<usize>],
    joined_by: HashMap<usize, HashSet<usize>>,
}

impl Members<'_> {
    /// Which set is a rule's first; rules that ask for the same one share it.
    pub fn left_side(&self, rule: usize) -> usize {
        self.of_rule[rule].0
    }

    /// Those of a rule's first set.
    pub fn left(&self, rule: usize) -> Cow<'_, [usize]> {
        self.joined(self.of_rule[rule].0)
    }

    /// Those of its second; empty where it has none.
    pub fn right(&self, rule: usize) -> Cow<'_, [usize]> {
        self.of_rule[rule].1.map_or(Cow::Borrowed(&[]), |side| self.joined(side))
    }

    /// Notes what a rule has joined, for the sets of later rules.
    pub fn note(&mut self, rule: usize, found: &[Match<'_>]) {
        if let Some(members) = self.joined_by.get_mut(&rule) {
            members.extend(found.iter().flat_map(Match::all));
        }
    }

    fn joined(&self, side: usize) -> Cow<'_, [usize]> {
        let all = &self.of_side[side];
        match self.wants[side] {
            None => Cow::Borrowed(all),
            Some(rule) => all.iter().copied().filter(|index| self.joined_by[&rule].contains(index)).collect(),
        }
    }
}
