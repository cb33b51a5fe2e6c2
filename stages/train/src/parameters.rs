//! The weights under training as one flat tensor, so that clipping and the optimizer are a few passes over memory instead of
//! hundreds of calls.
//!
//! The model's weights become leaves that share its storage; weights that were not handed over stay as they are and get no
//! gradient. Norms lie at the end: weight decay touches one contiguous head. Always fp32, whatever the model computes in.

use llama::Placement;
use tch::{Kind, Tensor, no_grad};

/// The weights of a model that training moves.
#[derive(Debug)]
pub struct Parameters {
    /// Every one of them, flat.
    pub values: Tensor,
    /// Numbers at the start of `values` that weight decay touches.
    pub decayed: i64,
    /// The same weights by tensor, in the order they lie in `values`.
    leaves: Vec<Tensor>,
}

impl Parameters {
    /// Moves `trainable` into one tensor at `placement`; each is replaced by its part of it.
    pub fn adopt(placement: Placement, trainable: Vec<(String, &mut Tensor)>) -> Parameters {
        let length = |tensors: &[(String, &mut Tensor)]| tensors.iter().map(|(_, tensor)| tensor.numel() as i64).sum();
        let (norms, mut ordered): (Vec<_>, Vec<_>) = trainable.into_iter().partition(|(name, _)| is_norm(name));
        let decayed = length(&ordered);
        ordered.extend(norms);
        let values = Tensor::zeros([length(&ordered)], (Kind::Float, placement.device));
        let (mut start, mut leaves) = (0, Vec::new());
        for (_, tensor) in ordered {
            let count = tensor.numel() as i64;
            let mut place = values.narrow(0, start, count).view(&tensor.size()[..]);
            no_grad(|| place.copy_(tensor));
            let leaf = place.detach().set_requires_grad(true);
            *tensor = leaf.shallow_clone();
            leaves.push(leaf);
            start += count;
        }
        Parameters { values, decayed, leaves }
    }

    /// The gradient of `loss`, flat, in the order of `values`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        let gradients = Tensor::run_backward(&[loss], &self.leaves, false, false);
        no_grad(|| Tensor::cat(&gradients.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0))
    }

    /// Zeros in the shape of `values`.
    pub fn zeros(&self) -> Tensor {
        self.values.zeros_like()
    }

    /// Takes the share `share` off every weight that decays.
    pub fn decay(&mut self, share: f64) {
        let _ = self.values.narrow(0, 0, self.decayed).g_mul_scalar_(1.0 - share);
    }
}

fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}
