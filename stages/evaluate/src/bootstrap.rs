//! Confidence intervals by resampling: draw as many items with replacement, many times, and see how far the figure moves.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Resamples: the ends of the interval then move by about a percent of its width from seed to seed.
const ROUNDS: usize = 1000;

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// 2.5 % of resamples lie below.
    pub low: f64,
    /// 2.5 % of resamples lie above.
    pub high: f64,
}

/// Draws resamples; the same for the same seed.
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
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| figure(quotient((0..pairs.len()).map(|_| pairs[below(&mut generator, pairs.len())]))))
            .collect();
        rounds.sort_by(f64::total_cmp);
        let value = figure(quotient(pairs.iter().copied()));
        Estimate { value, low: rounds[ROUNDS / 40], high: rounds[ROUNDS - 1 - ROUNDS / 40] }
    }
}

/// A permutation of `0..length`; the same for the same seed.
pub fn shuffled(length: usize, seed: u64) -> Vec<usize> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..length).collect();
    (1..length).rev().for_each(|last| order.swap(last, below(&mut generator, last + 1)));
    order
}

/// A number below `bound`; the bias of the multiplication is below 2^-32 for any bound here.
fn below(generator: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u128::from(generator.next_u64()) * bound as u128) >> 64) as usize
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
    fn a_shuffle_holds_every_index_once() {
        let mut order = shuffled(50, 3);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert!(shuffled(0, 3).is_empty());
    }
}
