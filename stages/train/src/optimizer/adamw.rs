//! AdamW (arXiv 1711.05101), as torch has it: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `w = (1 - lr decay) w - lr m' / (sqrt(v') + eps)`, where `m'` and `v'` are `m` and `v` freed from their start at zero.

use tch::Tensor;

use super::{Optimizer, Step};
use crate::parameters::Parameters;
use crate::params::AdamWParams;

/// The optimizer and its two moments.
#[derive(Debug)]
pub struct AdamW {
    params: AdamWParams,
    mean: Tensor,
    square: Tensor,
}

impl AdamW {
    /// With moments of zero.
    pub fn new(params: AdamWParams, parameters: &Parameters) -> AdamW {
        AdamW { params, mean: parameters.zeros(), square: parameters.zeros() }
    }
}

impl Optimizer for AdamW {
    fn peak_rate(&self) -> f64 {
        self.params.lr
    }

    fn update(&mut self, parameters: &mut Parameters, step: Step) {
        let AdamWParams { weight_decay, betas: [first, second], eps, .. } = self.params;
        let grown = |beta: f64| 1.0 - beta.powf(step.number as f64);
        let (rate, root_grown) = (-step.rate / grown(first), grown(second).sqrt());
        parameters.in_parts([&self.mean, &self.square], |mut values, gradient, [mut mean, mut square], decays| {
            if decays {
                let _ = values.g_mul_scalar_(1.0 - step.rate * weight_decay);
            }
            let _ = mean.lerp_(&gradient, 1.0 - first);
            let _ = square.g_mul_scalar_(second).addcmul_(&gradient, &(&gradient * (1.0 - second)));
            let root = square.sqrt().g_div_scalar_(root_grown).g_add_scalar_(eps);
            let _ = values.addcdiv_(&(mean * rate), &root);
        });
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("mean", &self.mean), ("square", &self.square)]
    }
}
