//! Dropout at the inputs of adapters.
//!
//! What is dropped follows from a key of the example (the caller makes it of seed, step and example), the position in it, and the
//! place in the network, and from nothing else: libtorch's generator is one per process, and its state is in no checkpoint. So a
//! resumed training drops what the uninterrupted one drops, however a step is cut into micro-batches, and a forward pass that is
//! repeated for the gradient drops the same again.

use std::cell::RefCell;
use std::rc::Rc;

use draws::{SplitMix64, mix};
use formats::Linear;
use tch::Tensor;

/// Says to all adapters of a model what is dropped. Nothing is, until [`Dropout::on`].
#[derive(Clone, Debug)]
pub struct Dropout {
    /// A number of 16 bits below this one drops its input.
    threshold: u16,
    rows: Rc<RefCell<Option<Rows>>>,
}

/// The examples of the micro-batch that is computed.
#[derive(Clone, Debug)]
pub struct Rows {
    /// One key for each example.
    pub keys: Vec<u64>,
    /// Positions in each, padding included.
    pub time: usize,
    /// The positions of the flattened micro-batch that the end of the last layer sees.
    pub picked: Vec<i64>,
}

/// While it lives, inputs are dropped.
#[derive(Debug)]
#[must_use = "inputs are dropped while it lives"]
pub struct Dropping<'a>(&'a Dropout);

/// A linear of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) layer: u64,
    pub(crate) linear: Linear,
}

impl Dropout {
    /// Drops with `probability`, to the nearest 65,536th.
    pub(crate) fn new(probability: f64) -> Dropout {
        Dropout { threshold: (probability * 65_536.0).round() as u16, rows: Rc::default() }
    }

    /// Drops inputs of `rows` from now on.
    pub fn on(&self, rows: Rows) -> Dropping<'_> {
        *self.rows.borrow_mut() = Some(rows);
        Dropping(self)
    }

    /// `x` `[.., features]` without what is dropped, and the share of it that is kept on average. `x` holds every position of the
    /// micro-batch, or those that are picked.
    pub(crate) fn apply(&self, x: &Tensor, place: Place) -> (Tensor, f64) {
        let rows = self.rows.borrow();
        match &*rows {
            Some(rows) if self.threshold > 0 => (x * self.mask(rows, x, place), self.kept()),
            _ => (x.shallow_clone(), 1.0),
        }
    }

    fn kept(&self) -> f64 {
        1.0 - f64::from(self.threshold) / 65_536.0
    }

    /// 1 for what is kept and 0 for what is dropped, in the shape of `x`. In bytes: it stays in memory for the gradient.
    fn mask(&self, rows: &Rows, x: &Tensor, place: Place) -> Tensor {
        let shape = x.size();
        let features = shape.last().map_or(0, |features| *features as usize);
        let salt = mix(place.layer * Linear::ALL.len() as u64 + place.linear as u64 + 1);
        let mut mask = vec![0u8; x.numel()];
        let whole = rows.keys.len() * rows.time;
        let held = x.numel().checked_div(features).unwrap_or(0);
        assert!(held == whole || held == rows.picked.len(), "{held} rows of {whole}, {} picked", rows.picked.len());
        for (row, mask) in mask.chunks_exact_mut(features.max(1)).enumerate() {
            let at = if held == whole { row } else { rows.picked[row] as usize };
            let key = mix(rows.keys[at / rows.time] ^ salt).wrapping_add((at % rows.time) as u64);
            self.fill(mask, SplitMix64::new(mix(key)));
        }
        Tensor::from_slice(&mask).view(&shape[..]).to_device(x.device())
    }

    fn fill(&self, mask: &mut [u8], mut random: SplitMix64) {
        for four in mask.chunks_mut(4) {
            let bits = random.long();
            for (at, kept) in four.iter_mut().enumerate() {
                *kept = u8::from((bits >> (16 * at)) as u16 >= self.threshold);
            }
        }
    }
}

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        *self.0.rows.borrow_mut() = None;
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    const PLACE: Place = Place { layer: 3, linear: Linear::Up };

    fn rows(keys: &[u64], time: usize, picked: &[i64]) -> Rows {
        Rows { keys: keys.to_vec(), time, picked: picked.to_vec() }
    }

    fn dropped(dropout: &Dropout, rows: Rows, shape: &[i64], place: Place) -> Tensor {
        let _on = dropout.on(rows);
        dropout.apply(&Tensor::ones(shape, (Kind::Float, tch::Device::Cpu)), place).0
    }

    #[test]
    fn about_the_share_is_dropped_and_nothing_afterwards() {
        let dropout = Dropout::new(0.05);
        let x = dropped(&dropout, rows(&[1, 2], 50, &[]), &[2, 50, 402], PLACE);
        let mean = x.mean(Kind::Double).double_value(&[]);
        assert!((mean - 0.95).abs() < 0.004, "{mean}");
        assert!((dropout.kept() - 0.95).abs() < 1e-5);
        let off = Tensor::ones([1, 2, 3], (Kind::Float, tch::Device::Cpu));
        let (same, kept) = dropout.apply(&off, PLACE);
        assert!(same == off && kept == 1.0);
    }

    #[test]
    fn it_follows_from_example_position_and_place_alone() {
        let dropout = Dropout::new(0.5);
        let both = dropped(&dropout, rows(&[7, 8], 6, &[]), &[2, 6, 33], PLACE);
        let one = dropped(&dropout, rows(&[8], 4, &[]), &[1, 4, 33], PLACE);
        assert_eq!(both.get(1).narrow(0, 0, 4), one.get(0));
        let picked = dropped(&dropout, rows(&[7, 8], 6, &[1, 9]), &[2, 33], PLACE);
        assert_eq!(picked.get(0), both.get(0).get(1));
        assert_eq!(picked.get(1), both.get(1).get(3));
        assert_ne!(both.get(0), both.get(1));
        assert_ne!(one.get(0).get(0), one.get(0).get(1));
        let elsewhere = dropped(&dropout, rows(&[8], 4, &[]), &[1, 4, 33], Place { linear: Linear::Gate, ..PLACE });
        assert_ne!(one, elsewhere);
    }
}
