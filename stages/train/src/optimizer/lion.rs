//! Lion (arXiv 2302.06675), with decoupled weight decay: `u = sign(b1 m + (1 - b1) g)`, `w -= lr (u + decay w)`,
//! `m = b2 m + (1 - b2) g`.

use tch::Tensor;

use super::{Optimizer, Step};
use crate::parameters::Parameters;
use crate::params::LionParams;

/// The optimizer and its momentum.
#[derive(Debug)]
pub struct Lion {
    params: LionParams,
    momentum: Tensor,
}

impl Lion {
    /// With a momentum of zero.
    pub fn new(params: LionParams, parameters: &Parameters) -> Lion {
        Lion { params, momentum: parameters.zeros() }
    }
}

impl Optimizer for Lion {
    fn peak_rate(&self) -> f64 {
        self.params.lr
    }

    fn update(&mut self, parameters: &mut Parameters, step: Step) {
        let [blend, decay] = self.params.betas;
        let kept = 1.0 - step.rate * self.params.weight_decay;
        parameters.in_parts([&self.momentum], |mut values, gradient, [mut momentum], decays| {
            let update = momentum.lerp(&gradient, 1.0 - blend).sign_() * -step.rate;
            if decays {
                let _ = values.g_mul_scalar_(kept);
            }
            let _ = values.g_add_(&update);
            let _ = momentum.lerp_(&gradient, 1.0 - decay);
        });
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("momentum", &self.momentum)]
    }
}
