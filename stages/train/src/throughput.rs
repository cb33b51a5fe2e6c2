//! How fast a training was: tokens a second, and model FLOPs utilization (MFU; arXiv 2204.02311, appendix B).
//!
//! MFU is the share of the machine's peak that went into operations which the training needs: padding and activations that are computed
//! again are none of them. The peak is measured: that of one product in the same precision, at the start.

use std::time::Duration;

use contract::Context;
use formats::Linear;
use llama::{Config, Precision};
use tch::Device;

use crate::batch::Extent;
use crate::machine;

/// Floating-point operations that a training needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needs {
    /// For a token, in the linears of all layers.
    token: f64,
    /// For a token that is learned, in the head.
    target: f64,
    /// For a pair of tokens, in attention.
    pair: f64,
}

impl Needs {
    /// Of a model all of whose weights are trained, or `adapters` numbers beside them.
    ///
    /// A weight takes a product and a sum going forward, as much for the gradient of its input, and as much again for its own if it is
    /// trained. Attention has two products, both with the gradients of two inputs.
    pub fn of(config: &Config, adapters: Option<i64>) -> Needs {
        let of_layer: i64 = Linear::ALL.iter().map(|linear| linear.shape(config).iter().product::<i64>()).sum();
        let linears = (of_layer * config.num_hidden_layers) as f64;
        let head = (config.vocab_size * config.hidden_size) as f64;
        let of_weight = if adapters.is_some() { 4.0 } else { 6.0 };
        let heads = (config.num_attention_heads * config.head_dim) as f64;
        Needs {
            token: of_weight * linears + 6.0 * adapters.unwrap_or(0) as f64,
            target: of_weight * head,
            pair: 12.0 * heads * config.num_hidden_layers as f64,
        }
    }

    /// For all of `extent`.
    pub fn operations(&self, extent: Extent) -> f64 {
        self.token * extent.tokens as f64 + self.target * extent.targets as f64 + self.pair * extent.pairs as f64
    }
}

/// The steps so far and the time that they took.
#[derive(Clone, Debug)]
pub struct Throughput {
    needs: Needs,
    precision: Precision,
    peak: f64,
    extent: Extent,
    time: Duration,
}

impl Throughput {
    /// Measures the peak at `device`.
    pub fn new(needs: Needs, device: Device, precision: Precision) -> Throughput {
        let peak = machine::measured_peak(precision.kind(), device);
        Throughput { needs, precision, peak, extent: Extent::default(), time: Duration::ZERO }
    }

    /// A step of `extent` took this long.
    pub fn add(&mut self, extent: Extent, time: Duration) {
        self.extent.tokens += extent.tokens;
        self.extent.padded += extent.padded;
        self.extent.targets += extent.targets;
        self.extent.pairs += extent.pairs;
        self.time += time;
    }

    /// Says it; of no step there is nothing to say.
    pub fn tell(&self, context: &Context) {
        let seconds = self.time.as_secs_f64();
        if seconds == 0.0 {
            return;
        }
        let (all, useful) = (self.extent.padded as f64 / seconds, self.extent.tokens as f64 / seconds);
        let done = self.needs.operations(self.extent) / seconds;
        context.metric("tokens_per_second", all);
        context.metric("useful_tokens_per_second", useful);
        context.metric("mfu", done / self.peak);
        context.info(format!(
            "{all:.0} tokens/s, {useful:.0} of them no padding; {:.1} GFLOP/s, {:.0} % of the {:.1} GFLOP/s that a product in {} \
             reached at the start",
            done / 1e9,
            done / self.peak * 100.0,
            self.peak / 1e9,
            self.precision,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::ModelSize;

    #[test]
    fn a_weight_needs_six_operations_a_token_and_four_where_it_is_frozen() {
        let config = ModelSize::Micro.config(100, 32).unwrap();
        let extent = Extent { tokens: 10, padded: 12, targets: 3, pairs: 50 };
        // Two layers of q and o (64 x 64), k and v (32 x 64), gate, up and down (128 x 64); 64 wide heads in all.
        let (linears, head) = (2.0 * 64.0 * (64.0 * 2.0 + 32.0 * 2.0 + 128.0 * 3.0), 6400.0);
        let attention = 12.0 * 2.0 * 64.0 * 50.0;
        let whole = Needs::of(&config, None).operations(extent);
        assert_eq!(whole, 6.0 * (linears * 10.0 + head * 3.0) + attention);
        let beside = Needs::of(&config, Some(1000)).operations(extent);
        assert_eq!(beside, 4.0 * (linears * 10.0 + head * 3.0) + 6.0 * 1000.0 * 10.0 + attention);
    }
}
