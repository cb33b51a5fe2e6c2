//! The graph of one scan: which correlations a finding is in, and clusters of findings that strong correlations connect.

use std::collections::{BTreeSet, HashMap};

use findings::clusters::Clusters;

use crate::matched::Match;
use rules::rule::{Link, Rule};

/// Suspicion is a share of this.
const MOST_SUSPICION: u32 = 100;

/// The findings of one scan with their correlations and clusters.
pub struct Graph {
    /// Per finding, the correlations that name it.
    pub of_finding: Vec<Vec<usize>>,
    /// Per finding, the number of its cluster, from 1.
    pub cluster: Vec<Option<usize>>,
    suspicion: Vec<u8>,
}

impl Graph {
    /// Builds the graph over `count` findings. All members of a strong match are connected, also those beyond the named ones.
    pub fn of(count: usize, rules: &[Rule], matches: &[Match<'_>]) -> Graph {
        let mut of_finding = vec![Vec::new(); count];
        let mut joined = vec![false; count];
        let mut clusters = Clusters::new(count);
        for (number, found) in matches.iter().enumerate() {
            found.named().for_each(|member| of_finding[member].push(number));
            if rules[found.rule].link == Link::Strong {
                found.all().for_each(|member| joined[member] = true);
                clusters.join(found.all());
            }
        }
        let mut names: HashMap<usize, usize> = HashMap::new();
        let mut cluster = vec![None; count];
        for index in (0..count).filter(|&index| joined[index]) {
            let next = names.len() + 1;
            cluster[index] = Some(*names.entry(clusters.root(index)).or_insert(next));
        }
        let suspicion = suspicion(names.len(), rules, matches, &cluster);
        Graph { of_finding, cluster, suspicion }
    }

    /// How suspicious a cluster is, 0..=100.
    pub fn suspicion(&self, cluster: usize) -> u8 {
        self.suspicion[cluster - 1]
    }

    /// The cluster with the most points, where one has as many as `points`; of several the first.
    pub fn most_suspicious(&self, points: u8) -> Option<usize> {
        let most = self.suspicion.iter().copied().max().filter(|most| *most >= points)?;
        self.suspicion.iter().position(|points| *points == most).map(|index| index + 1)
    }

    /// The findings of a cluster, in order.
    pub fn members(&self, cluster: usize) -> Vec<usize> {
        (0..self.cluster.len()).filter(|&index| self.cluster[index] == Some(cluster)).collect()
    }

    /// The cluster of a strong match; its members share one.
    pub fn cluster_of(&self, rules: &[Rule], found: &Match<'_>) -> Option<usize> {
        found.all().next().filter(|_| rules[found.rule].link == Link::Strong).and_then(|member| self.cluster[member])
    }
}

/// The points of every rule that speaks of a cluster, each rule once: ten processes that do the same are no ten reasons.
fn suspicion(count: usize, rules: &[Rule], matches: &[Match<'_>], cluster: &[Option<usize>]) -> Vec<u8> {
    let mut reasons = vec![BTreeSet::new(); count];
    for found in matches {
        for cluster in found.all().filter_map(|member| cluster[member]) {
            reasons[cluster - 1].insert(found.rule);
        }
    }
    let points = |reasons: &BTreeSet<usize>| reasons.iter().map(|&rule| u32::from(rules[rule].points)).sum::<u32>();
    reasons.iter().map(|reasons| points(reasons).min(MOST_SUSPICION) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_links_add_suspicion_but_connect_nothing() {
        let rules: serde_json::Value = serde_yaml::from_str(
            r#"
- {id: a, title: t, rationale: r, find: {scanner: ioc}, join: {host: {with: {scanner: mac}}}, link: weak, purpose: score,
   severity: low, tags: [], techniques: [T1]}
- {id: b, title: t, rationale: r, find: {scanner: ioc}, join: {key: {field: pid, with: {scanner: processes}, to: pid}}, purpose: score,
   severity: low, tags: [], techniques: [T1]}
"#,
        )
        .unwrap();
        let mut rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        (rules[0].points, rules[1].points) = (10, 5);
        let found = |rule, left, right| Match { rule, key: String::new(), left, right, hosts: &[] };
        let matches = [found(0, vec![0, 1], vec![4]), found(1, vec![0], vec![2]), found(1, vec![1], vec![3])];
        let graph = Graph::of(5, &rules, &matches);
        assert_eq!(graph.cluster, [Some(1), Some(2), Some(1), Some(2), None]);
        assert_eq!((graph.suspicion(1), graph.suspicion(2)), (15, 15));
        assert_eq!(graph.of_finding, [vec![0, 1], vec![0, 2], vec![1], vec![2], vec![0]]);
        assert_eq!(matches.each_ref().map(|m| graph.cluster_of(&rules, m)), [None, Some(1), Some(2)]);
    }
}
