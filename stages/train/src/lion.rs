//! Lion (arXiv 2302.06675), with decoupled weight decay: `u = sign(b1 m + (1 - b1) g)`, `w -= lr (u + decay w)`,
//! `m = b2 m + (1 - b2) g`.

use tch::{Tensor, no_grad};

use crate::parameters::Parameters;
use crate::params::LionParams;

/// The optimizer and its momentum.
#[derive(Debug)]
pub struct Lion {
    params: LionParams,
    /// As long as the weights.
    pub momentum: Tensor,
}

impl Lion {
    /// With a momentum of zero.
    pub fn new(params: LionParams, parameters: &Parameters) -> Lion {
        Lion { params, momentum: parameters.zeros() }
    }

    /// The highest learning rate.
    pub fn peak_rate(&self) -> f64 {
        self.params.lr
    }

    /// One update of `parameters` along `gradient`.
    pub fn update(&mut self, parameters: &mut Parameters, gradient: &Tensor, rate: f64) {
        let [blend, decay] = self.params.betas;
        no_grad(|| {
            let step = self.momentum.lerp(gradient, 1.0 - blend).sign_() * -rate;
            let mut head = parameters.values.narrow(0, 0, parameters.decayed);
            let _ = head.g_mul_scalar_(1.0 - rate * self.params.weight_decay);
            let _ = parameters.values.g_add_(&step);
            let _ = self.momentum.lerp_(gradient, 1.0 - decay);
        });
    }

    /// Overwrites the momentum.
    pub fn restore(&mut self, momentum: &Tensor) {
        no_grad(|| self.momentum.copy_(momentum));
    }
}

/// Scales `gradient` down to `limit` when its norm is larger; returns the norm it had.
pub fn clip(gradient: &mut Tensor, limit: f64) -> f64 {
    let norm = gradient.norm().double_value(&[]);
    if norm > limit {
        let _ = gradient.g_mul_scalar_(limit / norm);
    }
    norm
}
