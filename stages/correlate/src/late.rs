//! Joins that need the clusters of all other rules: of clusters with each other, and of findings with a suspected cluster.
//!
//! Two attacks on one host in one scan are unlikely, so two suspicious clusters are merged, and weak evidence counts when it appears
//! beside a strong cluster.

use std::collections::BTreeSet;

use crate::graph::Graph;
use crate::matched::Match;
use crate::sides::Members;
use rules::facts::Facts;
use rules::rule::{Beside, Join, Rare, Rule};
use rules::usual::USUAL;

/// Adds the matches of the late rules, in order, and makes the graph of all. Each rule sees what those before it joined.
pub fn add(rules: &[Rule], findings: &[Facts<'_>], members: &Members<'_>, found: &mut Vec<Match<'_>>) -> Graph {
    let mut graph = Graph::of(findings.len(), rules, found);
    for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.join.is_late()) {
        let scan = Scan { findings, members, graph: &graph };
        let one = match &rule.join {
            Join::Rare(rare) => scan.rare(number, rare),
            Join::Clusters { points } => scan.clusters(number, *points),
            Join::Beside(beside) => scan.beside(number, beside),
            _ => None,
        };
        if let Some(one) = one {
            found.push(one);
            graph = Graph::of(findings.len(), rules, found);
        }
    }
    graph
}

struct Scan<'s, 'a> {
    findings: &'s [Facts<'a>],
    members: &'s Members<'s>,
    graph: &'s Graph,
}

impl Scan<'_, '_> {
    fn rare<'r>(&self, rule: usize, rare: &Rare) -> Option<Match<'r>> {
        let mut left = self.members.left(rule).into_owned();
        left.retain(|&index| {
            self.is_free(index, rare.points) && USUAL.rarest_of(&self.findings[index], rare.in_10000).is_some()
        });
        (!left.is_empty()).then(|| Match::new(rule, String::new(), left, Vec::new()))
    }

    fn clusters<'r>(&self, rule: usize, points: u8) -> Option<Match<'r>> {
        let graph = self.graph;
        let of = |index: &usize| graph.cluster[*index].filter(|cluster| graph.suspicion(*cluster) >= points);
        let clusters: BTreeSet<usize> = self.members.left(rule).iter().filter_map(of).collect();
        if clusters.len() < 2 {
            return None;
        }
        let all = (0..self.findings.len()).filter(|index| of(index).is_some_and(|own| clusters.contains(&own)));
        Some(Match::new(rule, String::new(), all.collect(), Vec::new()))
    }

    fn beside<'r>(&self, rule: usize, beside: &Beside) -> Option<Match<'r>> {
        let cluster = self.graph.most_suspicious(beside.points)?;
        let right = self.graph.members(cluster);
        if beside.with.is_some() && !self.members.right(rule).iter().any(|index| right.binary_search(index).is_ok()) {
            return None;
        }
        let mut left = self.members.left(rule).into_owned();
        left.retain(|&index| self.is_free(index, beside.points));
        if let Some(field) = &beside.same {
            let values: BTreeSet<_> = right.iter().filter_map(|&index| self.findings[index].get(field)).collect();
            left.retain(|&index| self.findings[index].get(field).is_some_and(|value| values.contains(&value)));
        }
        if let Some(most) = beside.in_10000 {
            left = self.rarest(left, most, right.len() / 2);
        }
        (!left.is_empty()).then(|| Match::new(rule, String::new(), left, right))
    }

    /// Whether a finding is in no cluster of this many points. A free finding brings the findings it is joined with.
    fn is_free(&self, index: usize, points: u8) -> bool {
        self.graph.cluster[index].is_none_or(|own| self.graph.suspicion(own) < points)
    }

    /// Takes the rarest findings first, with everything they are joined to, until `room` is used up: findings that are only rare must
    /// not become most of a suspected cluster.
    fn rarest(&self, findings: Vec<usize>, in_10000: u32, room: usize) -> Vec<usize> {
        let rarity = |index: usize| Some((USUAL.rarest_of(&self.findings[index], in_10000)?.0, index));
        let mut ranked: Vec<(u32, usize)> = findings.into_iter().filter_map(rarity).collect();
        ranked.sort_unstable();
        let (mut taken, mut brought, mut size) = (Vec::new(), BTreeSet::new(), 0);
        for (_, index) in ranked {
            size += match self.graph.cluster[index] {
                Some(own) if brought.insert(own) => self.graph.members(own).len(),
                Some(_) => 0,
                None => 1,
            };
            if size > room {
                break;
            }
            taken.push(index);
        }
        taken.sort_unstable();
        taken
    }
}
