//! One ChaCha8 stream (Bernstein's ChaCha with 8 rounds, as the crate `rand_chacha` has it) and the draws from it.
//!
//! Bounded draws come in three widths. They differ in how many bits they consume and in how they reduce them, so one cannot stand
//! for another without changing what is drawn: [`Stream::below`] multiplies 32 bits, [`Stream::index`] multiplies 64 bits,
//! [`Stream::remainder`] divides 64 bits. All three skip the rejection step of Lemire ("Fast random integer generation in an
//! interval", 2019): a draw then always consumes the same number of bits, and the bias stays below `bound` / 2^32 or 2^64.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One stream.
#[derive(Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a seed, which `rand_core` expands to a key.
    pub fn seeded(seed: u64) -> Stream {
        Stream(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The stream of a key.
    pub fn keyed(key: [u8; 32]) -> Stream {
        Stream(ChaCha8Rng::from_seed(key))
    }

    /// The stream with the same key and another number; 0 is the number of a new stream.
    pub fn numbered(mut self, number: u64) -> Stream {
        self.0.set_stream(number);
        self
    }

    /// The next 32 bits.
    #[inline]
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    #[inline]
    pub fn long(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Less than `n`, by multiplying 32 bits; 0 where `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }

    /// Less than `bound`, by multiplying 64 bits; 0 where `bound` is 0.
    #[inline]
    pub fn index(&mut self, bound: usize) -> usize {
        ((u128::from(self.long()) * bound as u128) >> 64) as usize
    }

    /// Less than `bound`, which is not 0: the remainder of 64 bits.
    #[inline]
    pub fn remainder(&mut self, bound: usize) -> usize {
        (self.long() % bound as u64) as usize
    }

    /// Between two bounds, both included.
    pub fn between(&mut self, [low, high]: [u32; 2]) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `per_mille` of 1000.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// True in a share of 0 to 1. Multiplying and truncating are exact in IEEE 754, so every machine agrees.
    pub fn share(&mut self, share: f64) -> bool {
        u64::from(self.word()) < (share * 4_294_967_296.0) as u64
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u32) as usize]
    }

    /// One of a list by weight; `None` where all weights are 0.
    pub fn weighted<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> u32) -> Option<&'a T> {
        let total: u32 = items.iter().map(&weight).sum();
        let mut left = self.below(total);
        items.iter().find(|item| match left.checked_sub(weight(item)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }

    /// Two independent standard normal deviates (Box and Muller, 1958). With `libm`, since the functions of `std` differ between
    /// platforms.
    pub fn normal_pair(&mut self) -> (f64, f64) {
        let mut uniform = || ((self.long() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let radius = (-2.0 * libm::log(uniform())).sqrt();
        let angle = std::f64::consts::TAU * uniform();
        (radius * libm::cos(angle), radius * libm::sin(angle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut stream = Stream::seeded(1);
        let mut seen = [[0u32; 3]; 3];
        for _ in 0..3000 {
            seen[0][stream.between([4, 6]) as usize - 4] += 1;
            seen[1][stream.index(3)] += 1;
            seen[2][stream.remainder(3)] += 1;
        }
        assert!(seen.as_flattened().iter().all(|n| (900..1100).contains(n)), "{seen:?}");
        assert_eq!((stream.below(0), stream.index(0), stream.between([5, 5])), (0, 0, 5));
        assert!((0..100).all(|_| !stream.chance(0) && stream.chance(1000) && !stream.share(0.0) && stream.share(1.0)));
    }

    #[test]
    fn a_weight_is_a_chance_and_none_is_never_drawn() {
        let mut stream = Stream::seeded(1);
        let picked = (0..100).map(|_| *stream.weighted(&[0u32, 1, 3], |w| *w).unwrap()).collect::<Vec<_>>();
        assert!(picked.iter().filter(|w| **w == 3).count() > 50 && !picked.contains(&0));
        assert!(stream.weighted(&[0u32], |w| *w).is_none());
    }

    #[test]
    fn numbered_streams_differ_and_repeat() {
        let word = |seed, number| Stream::seeded(seed).numbered(number).word();
        assert_eq!(word(7, 2), word(7, 2));
        assert_eq!(word(7, 0), Stream::seeded(7).word());
        assert!(word(7, 2) != word(7, 3) && word(7, 2) != word(8, 2));
    }

    #[test]
    fn normal_deviates_have_mean_zero_and_variance_one() {
        let mut stream = Stream::seeded(5);
        let drawn: Vec<f64> = (0..5000).map(|_| stream.normal_pair()).flat_map(|(a, b)| [a, b]).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
