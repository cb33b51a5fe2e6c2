//! 95 % confidence intervals by resampling: the percentile bootstrap (Efron, "Bootstrap methods: another look at the jackknife",
//! 1979).
//!
//! [`Bootstrap`] draws single items, which must be independent. [`cluster_interval`] draws clusters, because the members of one
//! are correlated (Davison and Hinkley, "Bootstrap Methods and their Application", 3.8).

use draws::{SplitMix64, Stream};

use crate::Estimate;

/// Resamples of items: the ends of the interval then move by about a percent of its width from seed to seed.
const ITEM_RESAMPLES: usize = 1000;

/// Resamples of clusters: each costs a pass over all members.
const CLUSTER_RESAMPLES: usize = 200;

/// The figures of many resamples, ascending; a resample without a figure is left out.
fn resample(rounds: usize, mut figure: impl FnMut() -> Option<f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = (0..rounds).filter_map(|_| figure()).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// Resamples single items; the same for the same seed.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    seed: u64,
}

impl Bootstrap {
    /// Draws from `seed`. Every figure starts from it anew, so one more figure does not move the others.
    pub fn new(seed: u64) -> Bootstrap {
        Bootstrap { seed }
    }

    /// The share of `hits`.
    pub fn share(&self, hits: impl IntoIterator<Item = bool>) -> Estimate {
        self.mean(&hits.into_iter().map(|hit| f64::from(u8::from(hit))).collect::<Vec<_>>())
    }

    /// The mean of `values`; zero when there are none.
    pub fn mean(&self, values: &[f64]) -> Estimate {
        self.ratio(&values.iter().map(|&value| (value, 1.0)).collect::<Vec<_>>(), |mean| mean)
    }

    /// `figure` of the sum of the firsts over the sum of the seconds.
    pub fn ratio(&self, pairs: &[(f64, f64)], figure: impl Fn(f64) -> f64) -> Estimate {
        if pairs.is_empty() {
            return Estimate { value: 0.0, low: 0.0, high: 0.0 };
        }
        let mut stream = Stream::seeded(self.seed);
        let figures = resample(ITEM_RESAMPLES, || {
            Some(figure(quotient((0..pairs.len()).map(|_| pairs[stream.index(pairs.len())]))))
        });
        let value = figure(quotient(pairs.iter().copied()));
        Estimate { value, low: figures[ITEM_RESAMPLES / 40], high: figures[ITEM_RESAMPLES - 1 - ITEM_RESAMPLES / 40] }
    }
}

/// The interval of a figure over clusters. Each group of clusters is resampled among itself. `figure` gets how often each cluster
/// was drawn, and gives none for a resample that leaves nothing to look at.
pub fn cluster_interval(groups: &[Vec<usize>], figure: impl Fn(&[u64]) -> Option<f64>) -> Option<(f64, f64)> {
    let clusters = groups.iter().flatten().copied().max()? + 1;
    let mut random = SplitMix64::new(clusters as u64);
    let mut weights = vec![0_u64; clusters];
    let figures = resample(CLUSTER_RESAMPLES, || {
        weights.fill(0);
        for group in groups {
            for _ in 0..group.len() {
                weights[group[random.below(group.len())]] += 1;
            }
        }
        figure(&weights)
    });
    let quantile = |share: f64| figures.get((figures.len() as f64 * share) as usize).copied();
    quantile(0.025).zip(quantile(0.975))
}

/// The interval of the share of hits over clusters, each with its hits and all of its members; none for fewer than two clusters.
pub fn cluster_share(clusters: &[(u64, u64)]) -> Option<(f64, f64)> {
    let share = |weights: &[u64]| {
        let (hits, all) = clusters
            .iter()
            .zip(weights)
            .fold((0, 0), |(hits, all), ((h, a), weight)| (hits + h * weight, all + a * weight));
        (all > 0).then(|| hits as f64 / all as f64)
    };
    (clusters.len() > 1).then(|| cluster_interval(&[(0..clusters.len()).collect()], share))?
}

fn quotient(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (above, under) = pairs.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    if under == 0.0 { 0.0 } else { above / under }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_about_that_of_the_binomial() {
        // 60 of 100: standard error 0.049, so 0.6 +- 0.096.
        let estimate = Bootstrap::new(1).share((0..100).map(|i| i < 60));
        assert_eq!(estimate.value, 0.6);
        assert!((estimate.low - 0.504).abs() < 0.03 && (estimate.high - 0.696).abs() < 0.03, "{estimate:?}");
        assert_eq!(estimate, Bootstrap::new(1).share((0..100).map(|i| i < 60)));
    }

    #[test]
    fn a_constant_has_no_width_and_nothing_is_zero() {
        let estimate = Bootstrap::new(1).mean(&[2.0; 9]);
        assert_eq!((estimate.low, estimate.value, estimate.high), (2.0, 2.0, 2.0));
        assert_eq!(Bootstrap::new(1).mean(&[]).value, 0.0);
    }

    #[test]
    fn the_interval_of_a_share_is_about_two_errors_wide_each_way() {
        // A coin a cluster: the error of 0.5 over 400 is 0.025.
        let coins: Vec<(u64, u64)> = (0..400).map(|cluster| (cluster % 2, 1)).collect();
        let (low, high) = cluster_share(&coins).unwrap();
        assert!((0.43..0.47).contains(&low) && (0.53..0.57).contains(&high), "{low} {high}");
        // Ten like coins a cluster tell no more.
        let tens: Vec<(u64, u64)> = coins.iter().map(|(hits, all)| (hits * 10, all * 10)).collect();
        assert_eq!(cluster_share(&tens), Some((low, high)));
        assert_eq!(cluster_share(&coins[..1]), None);
    }
}
