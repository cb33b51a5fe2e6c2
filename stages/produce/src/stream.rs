//! Random streams: ChaCha8, keyed by seed, purpose and host, positioned by scan or finding.
//!
//! A draw depends on its place alone, never on what was drawn elsewhere or on which thread, so every worker count gives the
//! same bytes. The distributions are ours, in integers: those of `rand` may change between its versions.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The purpose of a stream. Two purposes never share a key, so adding draws to one leaves the others alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Host,
    Clock,
    Daemon,
    Container,
    Casual,
    Socket,
    File,
    Kernel,
    Story,
    Trace,
    Report,
    Mode,
    Unit,
    Network,
    Mount,
    Firmware,
    Audit,
    Package,
    Pattern,
    Execution,
}

/// The streams of one purpose on one host.
#[derive(Clone)]
pub(crate) struct Streams {
    key: [u8; 32],
}

impl Streams {
    pub(crate) fn new(seed: u64, purpose: Purpose, host: u32) -> Streams {
        let mut material = [0u8; 13];
        material[..8].copy_from_slice(&seed.to_le_bytes());
        material[8] = purpose as u8;
        material[9..].copy_from_slice(&host.to_le_bytes());
        Streams { key: blake3::derive_key("pipe 2026-11-22 produce random stream v1", &material) }
    }

    /// The stream at a position.
    pub(crate) fn at(&self, position: u64) -> Draw {
        let mut rng = ChaCha8Rng::from_seed(self.key);
        rng.set_stream(position);
        Draw(rng)
    }

    /// The stream at a position of two parts.
    pub(crate) fn at2(&self, high: u32, low: u32) -> Draw {
        self.at((u64::from(high) << 32) | u64::from(low))
    }
}

/// One stream.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    pub(crate) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Less than `n`; 0 where `n` is 0.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }

    /// Between two bounds, both included.
    pub(crate) fn between(&mut self, [low, high]: [u32; 2]) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `per_mille` of 1000.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// True in a share of 0 to 1. Multiplying and truncating are exact in IEEE 754, so every machine agrees.
    pub(crate) fn share(&mut self, share: f64) -> bool {
        u64::from(self.word()) < (share * 4_294_967_296.0) as u64
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u32) as usize]
    }

    /// One of a list by weight; `None` where all weights are 0.
    pub(crate) fn weighted<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> u32) -> Option<&'a T> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_place_alone() {
        let streams = Streams::new(7, Purpose::Host, 3);
        let first = streams.at2(1, 2).word();
        streams.at2(1, 3).word();
        assert_eq!(streams.at2(1, 2).word(), first);
        let others = [
            Streams::new(8, Purpose::Host, 3).at2(1, 2).word(),
            Streams::new(7, Purpose::Clock, 3).at2(1, 2).word(),
            Streams::new(7, Purpose::Host, 4).at2(1, 2).word(),
            streams.at2(2, 1).word(),
        ];
        assert!(!others.contains(&first));
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut draw = Streams::new(1, Purpose::Report, 0).at(0);
        let mut seen = [0u32; 3];
        for _ in 0..3000 {
            seen[draw.between([4, 6]) as usize - 4] += 1;
        }
        assert!(seen.iter().all(|n| (900..1100).contains(n)), "{seen:?}");
        assert!((0..100).all(|_| !draw.chance(0) && draw.chance(1000) && !draw.share(0.0) && draw.share(1.0)));
        assert_eq!(draw.between([5, 5]), 5);
        let picked = (0..100).map(|_| *draw.weighted(&[0u32, 1, 3], |w| *w).unwrap()).collect::<Vec<_>>();
        assert!(picked.iter().filter(|w| **w == 3).count() > 50 && !picked.contains(&0));
        assert!(draw.weighted(&[0u32], |w| *w).is_none());
    }
}
