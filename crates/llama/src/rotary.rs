//! Rotary position encoding in the half-rotated convention of Hugging Face checkpoints.
//!
//! Angles are made for the positions asked for: a table of all positions would take memory by the context a config claims.

use formats::Config;
use tch::{Device, Kind, Tensor};

use crate::placement::Placement;

/// The frequency of each pair of a head.
#[derive(Debug)]
pub struct Rotary {
    /// `[head_dim / 2]`, in fp32 whatever the model computes in: a position times a frequency has no room for less.
    frequencies: Tensor,
    placement: Placement,
}

/// Cosines and sines for one forward pass; broadcast against `[batch, heads, time, head_dim]`.
#[derive(Debug)]
pub struct Angles {
    cos: Tensor,
    /// With the sign of the rotated half folded in, so that a roll replaces "negate and swap halves".
    sin: Tensor,
}

impl Rotary {
    /// The frequencies that `config` asks for.
    pub fn new(config: &Config, placement: Placement) -> Rotary {
        let dim = config.head_dim;
        let exponent = Tensor::arange_start_step(0, dim, 2, (Kind::Float, Device::Cpu)) / dim as f64;
        let mut frequencies = Tensor::pow_scalar(config.rope_theta, &exponent).reciprocal();
        if let Some(divisors) = config.rope_scaling.divisors(dim, config.rope_theta) {
            frequencies /= Tensor::from_slice(&divisors).to_kind(Kind::Float);
        }
        Rotary { frequencies: frequencies.to_device(placement.device), placement }
    }

    /// For `time` positions from 0, the same in every row of the batch.
    pub fn first(&self, time: i64) -> Angles {
        self.angles(&Tensor::arange(time, (Kind::Float, self.placement.device)))
    }

    /// For one position per row of the batch: `positions` is `[batch]`.
    pub fn at(&self, positions: &Tensor) -> Angles {
        let Angles { cos, sin } = self.angles(&positions.to_kind(Kind::Float));
        let row = |table: Tensor| table.unsqueeze(1).unsqueeze(1);
        Angles { cos: row(cos), sin: row(sin) }
    }

    fn angles(&self, positions: &Tensor) -> Angles {
        let angle = positions.outer(&self.frequencies);
        let (cos, sin) = (angle.cos().to_kind(self.placement.kind), angle.sin().to_kind(self.placement.kind));
        Angles { cos: Tensor::cat(&[&cos, &cos], -1), sin: Tensor::cat(&[&-&sin, &sin], -1) }
    }
}

impl Angles {
    /// Rotates queries or keys `[batch, heads, time, head_dim]`.
    pub fn rotate(&self, x: &Tensor) -> Tensor {
        let half = x.size()[3] / 2;
        (x * &self.cos).addcmul(&x.roll([half], [3]), &self.sin)
    }
}
