//! The area under the ROC curve, in strata, with its error over clusters. Pairs are counted in integers.
//!
//! The area is the share of pairs of a positive and a negative thing in which the positive one scores higher (Hanley and McNeil,
//! "The meaning and use of the area under a receiver operating characteristic curve", 1982); a tie is half a pair.

use crate::{Estimate, bootstrap};

/// A scored thing.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// The higher, the likelier positive.
    pub score: f64,
    /// Its class.
    pub positive: bool,
    /// The number of its cluster: things of one cluster are correlated.
    pub cluster: u32,
}

/// Things whose scores may be compared: of one model.
pub struct Stratum {
    /// Sorted by score.
    scored: Vec<Scored>,
}

impl Stratum {
    /// Sorts the things.
    pub fn new(mut scored: Vec<Scored>) -> Stratum {
        scored.sort_by(|a, b| a.score.total_cmp(&b.score));
        Stratum { scored }
    }

    /// Twice the pairs in which the positive one scores higher (an equal score is half a pair), and all pairs.
    fn pairs(&self, weight: impl Fn(u32) -> u64) -> (u128, u128) {
        let (mut won, mut negatives, mut positives) = (0_u128, 0_u128, 0_u128);
        for tied in self.scored.chunk_by(|a, b| a.score == b.score) {
            let sum = |positive: bool| -> u128 {
                tied.iter().filter(|s| s.positive == positive).map(|s| u128::from(weight(s.cluster))).sum()
            };
            let (tied_positives, tied_negatives) = (sum(true), sum(false));
            won += tied_positives * (2 * negatives + tied_negatives);
            negatives += tied_negatives;
            positives += tied_positives;
        }
        (won, positives * negatives)
    }

    fn add_to_clusters(&self, of_cluster: &mut [(u128, u128)]) {
        let positives = self.scored.iter().filter(|s| s.positive).count() as u128;
        let negatives = self.scored.len() as u128 - positives;
        let (mut lower_positives, mut lower_negatives) = (0, 0);
        for tied in self.scored.chunk_by(|a, b| a.score == b.score) {
            let tied_positives = tied.iter().filter(|s| s.positive).count() as u128;
            let tied_negatives = tied.len() as u128 - tied_positives;
            for thing in tied {
                let (won, pairs) = &mut of_cluster[thing.cluster as usize];
                if thing.positive {
                    *won += 2 * lower_negatives + tied_negatives;
                    *pairs += negatives;
                } else {
                    let higher = positives - lower_positives - tied_positives;
                    *won += 2 * higher + tied_positives;
                    *pairs += positives;
                }
            }
            lower_positives += tied_positives;
            lower_negatives += tied_negatives;
        }
    }
}

/// The area over all pairs that lie in one stratum, with an interval of `errors` standard errors; none where there is no pair.
///
/// The error is that of the infinitesimal jackknife over clusters: what a cluster adds to the pairs won, beyond its share of all
/// pairs. For one stratum and one thing a cluster it is DeLong's, and it costs one pass.
pub fn area(strata: &[&Stratum], clusters: usize, errors: f64) -> Option<Estimate> {
    let (won, all) = strata.iter().map(|stratum| stratum.pairs(|_| 1)).fold((0, 0), |(w, a), (x, y)| (w + x, a + y));
    if all == 0 {
        return None;
    }
    let value = won as f64 / (2 * all) as f64;
    // Twice the pairs that a cluster's things won or let win, and all their pairs.
    let mut of_cluster = vec![(0_u128, 0_u128); clusters];
    for stratum in strata {
        stratum.add_to_clusters(&mut of_cluster);
    }
    let squares: f64 = of_cluster
        .iter()
        .map(|&(won, pairs)| (won as f64 / 2.0 - value * pairs as f64) / all as f64)
        .map(|influence| influence * influence)
        .sum();
    let freedom = clusters as f64 / (clusters.max(2) - 1) as f64;
    let margin = errors * (squares * freedom).sqrt();
    Some(Estimate { value, low: (value - margin).max(0.0), high: (value + margin).min(1.0) })
}

/// The same area with a 95 % interval from a bootstrap, for samples that are small: clusters are drawn again, those of each kind
/// among themselves.
pub fn bootstrapped(strata: &[&Stratum], kinds: &[Vec<usize>]) -> Option<Estimate> {
    let over = |weight: &dyn Fn(u32) -> u64| {
        let pairs = strata.iter().map(|stratum| stratum.pairs(weight));
        let (won, all) = pairs.fold((0, 0), |(won, all), (w, a)| (won + w, all + a));
        (all > 0).then(|| won as f64 / (2 * all) as f64)
    };
    let value = over(&|_| 1)?;
    let interval = bootstrap::cluster_interval(kinds, |weights| over(&|cluster| weights[cluster as usize]));
    let (low, high) = interval.unwrap_or((value, value));
    Some(Estimate { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stratum(scores: &[(f64, bool)]) -> Stratum {
        let scored = scores.iter().enumerate();
        Stratum::new(
            scored.map(|(cluster, &(score, positive))| Scored { score, positive, cluster: cluster as u32 }).collect(),
        )
    }

    #[test]
    fn areas_by_hand() {
        let of = |scores: &[(f64, bool)]| area(&[&stratum(scores)], scores.len(), 2.0).map(|area| area.value);
        assert_eq!(of(&[(0.1, false), (0.2, true), (0.3, true)]), Some(1.0));
        assert_eq!(of(&[(0.1, true), (0.2, false)]), Some(0.0));
        assert_eq!(of(&[(0.5, true), (0.5, false), (0.5, false)]), Some(0.5));
        // Pairs: 2 > 1 won, 2 < 3 lost, 3 = 3 half, 3 > 1 won.
        assert_eq!(of(&[(1.0, false), (2.0, true), (3.0, true), (3.0, false)]), Some(2.5 / 4.0));
        assert_eq!(of(&[(1.0, true)]), None);
    }

    #[test]
    fn only_pairs_within_a_stratum_count() {
        let strata = [stratum(&[(9.0, true), (8.0, false)]), stratum(&[(1.0, true), (2.0, false), (3.0, false)])];
        assert_eq!(area(&strata.each_ref(), 3, 2.0).unwrap().value, 1.0 / 3.0);
    }

    #[test]
    fn both_intervals_agree_and_widen_where_clusters_hold_many_alike() {
        let score = |n: u32| f64::from(n * 7 % 400);
        let alone: Vec<(f64, bool)> = (0..400).map(|n| (score(n), n % 2 == 0)).collect();
        let alone = stratum(&alone);
        let width = |area: Estimate| area.high - area.low;
        let jackknife = area(&[&alone], 400, 1.96).unwrap();
        // Hosts drawn over both kinds, as the jackknife reckons.
        let drawn = bootstrapped(&[&alone], &[(0..400).collect()]).unwrap();
        assert!(jackknife.low < jackknife.value && jackknife.value < jackknife.high, "{jackknife:?}");
        assert!((width(jackknife) / width(drawn) - 1.0).abs() < 0.25, "{jackknife:?} {drawn:?}");
        // The same things ten times, each ten on one cluster: no more is known than before.
        let scored = (0..4000).map(|n| Scored { score: score(n % 400), positive: n % 2 == 0, cluster: n % 400 });
        let ten = area(&[&Stratum::new(scored.collect())], 400, 1.96).unwrap();
        assert!((width(ten) / width(jackknife) - 1.0).abs() < 1e-9, "{ten:?} {jackknife:?}");
    }
}
