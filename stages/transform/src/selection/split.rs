//! Hosts to splits: whole hosts, never rows, and hosts of one chain together, so that nothing learned about a host helps on
//! another split.

use std::collections::BTreeMap;

use dataset::TIED_HOSTS;
use draws::mix;
use findings::Correlation;
use findings::clusters::Clusters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::selection::spool::low;

/// Part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Learned from.
    Train,
    /// Looked at while learning.
    Validation,
    /// Looked at once.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// The name in datasets.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// Shares of the hosts; the rest is for training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fractions {
    /// Share of the hosts for validation.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub validation: f64,
    /// Share of the hosts for the test.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Fractions {
        Fractions { validation: 0.1, test: 0.15 }
    }
}

/// Which hosts are in one chain: those that share a correlation across hosts, and those that truth says.
#[derive(Debug, Default)]
pub struct Ties {
    /// The hosts of each attack chain of several, where truth is known.
    pub chains: Vec<Vec<String>>,
    /// The hosts of a correlation, by its id, once.
    shared: BTreeMap<String, Vec<String>>,
}

/// What the ties came to; part of the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TieFigures {
    /// Attack chains that tied their hosts, as the truth of simulated hosts has them.
    pub chains: u64,
    /// Correlations that tied their hosts.
    pub ties: u64,
    /// Correlations shared by more than [`TIED_HOSTS`] hosts, which tie nothing.
    pub too_wide: u64,
    /// Most hosts of one correlation that ties.
    pub limit: u64,
    /// Groups of more than one host.
    pub groups: u64,
    /// Hosts of the largest group.
    pub largest: u64,
}

impl Ties {
    /// Notes the correlations of one scan.
    pub fn note(&mut self, correlations: &[Correlation]) {
        for correlation in correlations.iter().filter(|correlation| correlation.hosts.len() > 1) {
            if !self.shared.contains_key(&correlation.id) {
                self.shared.insert(correlation.id.clone(), correlation.hosts.clone());
            }
        }
    }

    /// Takes in what another one noted.
    pub fn extend(&mut self, other: Ties) {
        for (id, hosts) in other.shared {
            self.shared.entry(id).or_insert(hosts);
        }
    }

    /// The groups of `hosts`, which are sorted, as places in it.
    fn groups(&self, hosts: &[String]) -> (Vec<Vec<usize>>, TieFigures) {
        let chains = self.chains.len() as u64;
        let mut figures = TieFigures { chains, limit: TIED_HOSTS as u64, ..TieFigures::default() };
        let mut clusters = Clusters::new(hosts.len());
        let places =
            |tied: &[String]| -> Vec<usize> { tied.iter().filter_map(|host| hosts.binary_search(host).ok()).collect() };
        for chain in &self.chains {
            clusters.join(places(chain).into_iter());
        }
        for shared in self.shared.values() {
            if shared.len() > TIED_HOSTS {
                figures.too_wide += 1;
                continue;
            }
            figures.ties += 1;
            clusters.join(places(shared).into_iter());
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in 0..hosts.len() {
            groups.entry(clusters.root(place)).or_default().push(place);
        }
        figures.groups = groups.values().filter(|group| group.len() > 1).count() as u64;
        figures.largest = groups.values().map(Vec::len).max().unwrap_or(0) as u64;
        (groups.into_values().collect(), figures)
    }
}

/// Gives each of the sorted `hosts` a split, tied ones the same. A share above 0 is at least one host as long as training
/// keeps one; a group that is larger than what a split has left goes to training.
pub fn assign(seed: u64, hosts: &[String], ties: &Ties, fractions: Fractions) -> (Vec<Split>, TieFigures) {
    let count = hosts.len();
    let share = |fraction: f64, left: usize| match fraction {
        f if f <= 0.0 => 0,
        f => ((count as f64 * f).round_ties_even() as usize).max(1).min(left),
    };
    let test = share(fractions.test, count.saturating_sub(1));
    let mut left =
        [(Split::Test, test), (Split::Validation, share(fractions.validation, count.saturating_sub(1 + test)))];
    let (mut groups, figures) = ties.groups(hosts);
    let rank = |place: &usize| {
        let host = hosts.get(*place).map_or("", String::as_str);
        (mix(low(&[b"split", &seed.to_le_bytes(), host.as_bytes()]) as u64), *place)
    };
    groups.sort_by_cached_key(|group| group.iter().map(rank).min());
    let mut splits = vec![Split::Train; count];
    for group in groups {
        let Some((split, room)) = left.iter_mut().find(|(_, room)| group.len() <= *room) else { continue };
        *room -= group.len();
        for place in group {
            splits[place] = *split;
        }
    }
    (splits, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("h{number:03}")).collect()
    }

    fn counts(count: usize, ties: &Ties, fractions: Fractions) -> [usize; 3] {
        let (splits, _) = assign(7, &hosts(count), ties, fractions);
        Split::ALL.map(|split| splits.iter().filter(|s| **s == split).count())
    }

    fn ties(groups: &[&[usize]]) -> Ties {
        let shared = groups
            .iter()
            .enumerate()
            .map(|(number, group)| (format!("c{number}"), group.iter().map(|place| format!("h{place:03}")).collect()));
        Ties { chains: Vec::new(), shared: shared.collect() }
    }

    #[test]
    fn shares_are_met_and_training_is_never_empty() {
        let none = Ties::default();
        assert_eq!(counts(100, &none, Fractions::default()), [75, 10, 15]);
        assert_eq!(counts(4, &none, Fractions::default()), [2, 1, 1]);
        assert_eq!(counts(2, &none, Fractions::default()), [1, 0, 1]);
        assert_eq!(counts(1, &none, Fractions::default()), [1, 0, 0]);
        assert_eq!(counts(10, &none, Fractions { validation: 0.0, test: 0.0 }), [10, 0, 0]);
    }

    #[test]
    fn the_seed_moves_hosts() {
        let of = |seed| assign(seed, &hosts(50), &Ties::default(), Fractions::default()).0;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn tied_hosts_share_a_split_and_the_shares_are_still_met() {
        let pairs: Vec<Vec<usize>> = (0..40).map(|n| vec![n, 99 - n]).collect();
        let pairs: Vec<&[usize]> = pairs.iter().map(Vec::as_slice).collect();
        for seed in 0..20 {
            let (splits, figures) = assign(seed, &hosts(100), &ties(&pairs), Fractions::default());
            assert!((0..40).all(|n| splits[n] == splits[99 - n]));
            assert_eq!((figures.groups, figures.largest, figures.ties), (40, 2, 40));
            let count = |split| splits.iter().filter(|s| **s == split).count();
            assert!((14..=15).contains(&count(Split::Test)) && (9..=10).contains(&count(Split::Validation)));
        }
    }

    #[test]
    fn the_hosts_of_an_attack_chain_share_a_split_whatever_the_scans_show() {
        let chains: Vec<Vec<String>> = (0..30).map(|n| vec![format!("h{n:03}"), format!("h{:03}", 99 - n)]).collect();
        let ties = Ties { chains, ..Ties::default() };
        for seed in 0..20 {
            let (splits, figures) = assign(seed, &hosts(100), &ties, Fractions::default());
            assert!((0..30).all(|n| splits[n] == splits[99 - n]));
            assert_eq!((figures.chains, figures.ties, figures.groups), (30, 0, 30));
        }
    }

    #[test]
    fn what_a_whole_fleet_shares_ties_nothing_and_a_large_group_is_learned_from() {
        let wide: Vec<usize> = (0..50).collect();
        let (_, figures) = assign(7, &hosts(50), &ties(&[&wide]), Fractions::default());
        assert_eq!((figures.too_wide, figures.ties, figures.groups, figures.largest), (1, 0, 0, 1));
        // A path of pairs ties all 30 of 40 hosts.
        let path: Vec<Vec<usize>> = (0..29).map(|n| vec![n, n + 1]).collect();
        let path: Vec<&[usize]> = path.iter().map(Vec::as_slice).collect();
        let (splits, figures) = assign(7, &hosts(40), &ties(&path), Fractions::default());
        assert_eq!(figures.largest, 30);
        assert!((0..30).all(|n| splits[n] == Split::Train));
        assert_eq!(splits.iter().filter(|s| **s == Split::Test).count(), 6);
    }
}
