//! How far a merged model is from the base with adapters that it was made of.

use llama::Llama;
use tch::{Device, Kind, Tensor};
use tokens::EncodedSplit;

/// Examples that both are asked about.
const EXAMPLES: usize = 4;

/// Positions whose logits are compared at once: with a large vocabulary, those of a whole example take more memory than the model's
/// layers.
const POSITIONS: i64 = 64;

/// What the base with adapters makes of some examples.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Token ids `[1, time]` and the last layer's output `[time, hidden]`.
    examples: Vec<(Tensor, Tensor)>,
}

impl Probe {
    /// Asks `model` about the first examples of `split`.
    pub(crate) fn new(model: &Llama, split: &EncodedSplit) -> Probe {
        let examples = (0..split.len().min(EXAMPLES)).map(|index| {
            let ids = Tensor::from_slice(split.ids(index)).unsqueeze(0).to_device(model.placement.device);
            let hidden = model.hidden(&ids).squeeze_dim(0);
            (ids.to_device(Device::Cpu), hidden.to_device(Device::Cpu).to_kind(Kind::Float))
        });
        Probe { examples: examples.collect() }
    }

    /// The largest difference of a logit of `merged`, whose head is that of the base.
    pub(crate) fn difference(&self, merged: &Llama) -> f64 {
        let of = |(ids, before): &(Tensor, Tensor)| {
            let after = merged.hidden(ids).squeeze_dim(0);
            let parts = before.split(POSITIONS, 0).into_iter().zip(after.split(POSITIONS, 0));
            let largest = |(before, after): (Tensor, Tensor)| {
                (merged.head(&before) - merged.head(&after)).abs().max().double_value(&[])
            };
            parts.map(largest).fold(0.0, f64::max)
        };
        self.examples.iter().map(of).fold(0.0, f64::max)
    }
}
