//! Real and simulated findings of one scanner, parted into two folds of hosts and scored by a model of the other fold.
//!
//! Where one real host holds all real findings, these are parted one by one, like ones together.

use std::collections::{BTreeMap, BTreeSet};

use draws::{hash, mix};
use statistics::auc::{Scored, Stratum};
use statistics::logistic::Logistic;

use super::realism::WIDTH;

/// How the findings of one scanner are parted and drawn again.
pub(super) struct Comparison {
    /// Of each finding, what is drawn as one: its host, or the finding itself.
    units: Vec<u32>,
    /// Whether a unit is real.
    kinds: Vec<bool>,
    /// The fold of each unit.
    folds: Vec<usize>,
    /// Real and simulated units.
    pub drawn: [Vec<usize>; 2],
    /// Hosts that the real findings are of.
    pub real_hosts: usize,
}

impl Comparison {
    /// Parts findings, each with the place of its host among `hosts`, which are real or not.
    pub(super) fn of(seen: &[(u32, Vec<u32>)], hosts: &[(String, bool)]) -> Comparison {
        let is_real = |host: u32| hosts[host as usize].1;
        let real: BTreeSet<u32> = seen.iter().map(|(host, _)| *host).filter(|host| is_real(*host)).collect();
        let mut kinds: Vec<bool> = hosts.iter().map(|(_, real)| *real).collect();
        let mut units: Vec<u32> = seen.iter().map(|(host, _)| *host).collect();
        // The order in which folds are dealt, by a hash.
        let mut dealt: Vec<(u64, u32)> = units
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|host| (hash(&hosts[*host as usize].0), *host))
            .collect();
        if let [only] = real.iter().copied().collect::<Vec<_>>()[..] {
            dealt.retain(|(_, host)| *host != only);
            // What looks the same stays together: a model that has seen it would know it again.
            let mut alike: BTreeMap<&[u32], u32> = BTreeMap::new();
            for (unit, (_, features)) in units.iter_mut().zip(seen).filter(|(unit, _)| **unit == only) {
                *unit = *alike.entry(features).or_insert_with(|| {
                    let unit = kinds.len() as u32;
                    dealt.push((mix(u64::from(unit)), unit));
                    kinds.push(true);
                    unit
                });
            }
        }
        dealt.sort_unstable();
        let drawn = [true, false].map(|kind| -> Vec<usize> {
            dealt.iter().map(|(_, unit)| *unit as usize).filter(|unit| kinds[*unit] == kind).collect()
        });
        let mut folds = vec![0; kinds.len()];
        for of_kind in &drawn {
            of_kind.iter().enumerate().for_each(|(turn, unit)| folds[*unit] = turn % 2);
        }
        Comparison { units, kinds, folds, drawn, real_hosts: real.len() }
    }

    /// Scores each fold by a model of the other.
    pub(super) fn score(&self, seen: &[(u32, Vec<u32>)]) -> [Stratum; 2] {
        let mut order: Vec<usize> = (0..seen.len()).collect();
        order.sort_by_key(|&place| mix(place as u64));
        let unit = |place: usize| self.units[place] as usize;
        [0, 1].map(|fold| {
            let train: Vec<(&[u32], bool)> = order
                .iter()
                .filter(|&&place| self.folds[unit(place)] != fold)
                .map(|&place| (seen[place].1.as_slice(), self.kinds[unit(place)]))
                .collect();
            let model = Logistic::train(WIDTH as usize, train.iter().copied());
            let tested = (0..seen.len()).filter(|&place| self.folds[unit(place)] == fold);
            let scored = tested.map(|place| Scored {
                score: model.score(&seen[place].1),
                positive: self.kinds[unit(place)],
                cluster: self.units[place],
            });
            Stratum::new(scored.collect())
        })
    }
}
