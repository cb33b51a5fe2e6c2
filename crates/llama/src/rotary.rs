//! Rotary position encoding in the half-rotated convention of Hugging Face checkpoints.

use formats::Config;
use tch::{Device, Kind, Tensor};

/// Cosines and sines of every position.
#[derive(Debug)]
pub struct Rotary {
    cos: Tensor,
    /// With the sign of the rotated half folded in, so that a roll replaces "negate and swap halves".
    sin: Tensor,
}

/// Cosines and sines for one forward pass; broadcast against `[batch, heads, time, head_dim]`.
#[derive(Debug)]
pub struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// The table for positions up to `config.max_position_embeddings`.
    pub fn new(config: &Config) -> Rotary {
        let dim = config.head_dim;
        let exponent = Tensor::arange_start_step(0, dim, 2, (Kind::Float, Device::Cpu)) / dim as f64;
        let frequency = Tensor::pow_scalar(config.rope_theta, &exponent).reciprocal();
        let position = Tensor::arange(config.max_position_embeddings, (Kind::Float, Device::Cpu));
        let angle = position.outer(&frequency);
        let (cos, sin) = (angle.cos(), angle.sin());
        Rotary { cos: Tensor::cat(&[&cos, &cos], -1), sin: Tensor::cat(&[&-&sin, &sin], -1) }
    }

    /// For `time` positions from 0, the same in every row of the batch.
    pub fn first(&self, time: i64) -> Angles {
        Angles { cos: self.cos.narrow(0, 0, time), sin: self.sin.narrow(0, 0, time) }
    }

    /// For one position per row of the batch: `positions` is `[batch]`.
    pub fn at(&self, positions: &Tensor) -> Angles {
        let pick = |table: &Tensor| table.index_select(0, positions).unsqueeze(1).unsqueeze(1);
        Angles { cos: pick(&self.cos), sin: pick(&self.sin) }
    }
}

impl Angles {
    /// Rotates queries or keys `[batch, heads, time, head_dim]`.
    pub fn rotate(&self, x: &Tensor) -> Tensor {
        let half = x.size()[3] / 2;
        (x * &self.cos).addcmul(&x.roll([half], [3]), &self.sin)
    }
}
