//! Which examples make a step: a fresh permutation for every epoch, from the seed alone.
//!
//! So the position of a resumed run is its step number, and nothing else has to be saved.

use draws::{Stream, permutation};

/// The order of examples.
#[derive(Clone, Debug)]
pub struct Sampler {
    seed: u64,
    examples: usize,
    batch_size: usize,
    /// The permutation of the epoch last asked for.
    current: Option<(u64, Vec<usize>)>,
}

impl Sampler {
    /// An order over `examples` examples, `batch_size` in a step.
    pub fn new(seed: u64, examples: usize, batch_size: usize) -> Sampler {
        Sampler { seed, examples, batch_size, current: None }
    }

    /// Steps in one epoch; the last may have fewer examples.
    pub fn steps_per_epoch(&self) -> u64 {
        self.examples.div_ceil(self.batch_size) as u64
    }

    /// The examples of `step` (from 0).
    pub fn step(&mut self, step: u64) -> &[usize] {
        let per_epoch = self.steps_per_epoch();
        let epoch = step / per_epoch;
        if self.current.as_ref().is_none_or(|(of, _)| *of != epoch) {
            self.current = Some((epoch, order(self.seed, epoch, self.examples)));
        }
        let order = self.current.as_ref().map_or(&[][..], |(_, order)| order);
        let start = (step % per_epoch) as usize * self.batch_size;
        &order[start..(start + self.batch_size).min(self.examples)]
    }
}

/// The order of an epoch, on a stream of its own. Number 0 is left to other draws from the seed.
fn order(seed: u64, epoch: u64, length: usize) -> Vec<usize> {
    let mut stream = Stream::seeded(seed).numbered(epoch + 1);
    permutation(length, |bound| stream.remainder(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_sees_every_example_once_in_another_order() {
        let mut sampler = Sampler::new(7, 10, 4);
        assert_eq!(sampler.steps_per_epoch(), 3);
        let mut epoch =
            |number: u64| -> Vec<usize> { (0..3).flat_map(|step| sampler.step(number * 3 + step).to_vec()).collect() };
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        for mut order in [first.clone(), second] {
            order.sort_unstable();
            assert_eq!(order, (0..10).collect::<Vec<_>>());
        }
        assert_eq!(epoch(0), first);
        assert_eq!(Sampler::new(7, 10, 4).step(5).len(), 2);
    }
}
