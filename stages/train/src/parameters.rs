//! All weights as one flat tensor, so that clipping and the optimizer are a few passes over memory instead of hundreds of calls.
//!
//! The model's weights are leaves that share its storage. Norms lie at the end: weight decay touches one contiguous head.

use llama::Llama;
use tch::{Device, Kind, Tensor, no_grad};

/// The weights of a model under training.
#[derive(Debug)]
pub struct Parameters {
    /// Every weight, flat.
    pub values: Tensor,
    /// Numbers at the start of `values` that weight decay touches.
    pub decayed: i64,
    /// The same weights by tensor, in the order they lie in `values`.
    leaves: Vec<Tensor>,
}

impl Parameters {
    /// Moves the weights of `model` into one tensor; the model returned uses it.
    pub fn adopt(model: &Llama) -> (Parameters, Llama) {
        let tensors = model.tensors();
        let (norms, others): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(name, _)| is_norm(name));
        let decayed = others.iter().map(|(_, tensor)| tensor.numel() as i64).sum();
        let ordered: Vec<_> = others.into_iter().chain(norms).collect();
        let values = Tensor::cat(&ordered.iter().map(|(_, tensor)| tensor.flatten(0, -1)).collect::<Vec<_>>(), 0);
        let mut start = 0;
        let mut leaves = Vec::new();
        let mut names = std::collections::HashMap::new();
        for (name, tensor) in &ordered {
            let length = tensor.numel() as i64;
            let leaf = values.narrow(0, start, length).view(&tensor.size()[..]).detach().set_requires_grad(true);
            names.insert(name.as_str(), leaf.shallow_clone());
            leaves.push(leaf);
            start += length;
        }
        let Ok(model) = Llama::assemble(&model.config, model.placement, |name, _| {
            Ok::<_, std::convert::Infallible>(names[name].shallow_clone())
        });
        (Parameters { values, decayed, leaves }, model)
    }

    /// The gradient of `loss`, flat, in the order of `values`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        let gradients = Tensor::run_backward(&[loss], &self.leaves, false, false);
        no_grad(|| Tensor::cat(&gradients.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0))
    }

    /// Zeros in the shape of `values`.
    pub fn zeros(&self) -> Tensor {
        Tensor::zeros([self.values.numel() as i64], (Kind::Float, Device::Cpu))
    }

    /// Overwrites every weight.
    pub fn restore(&mut self, values: &Tensor) {
        no_grad(|| self.values.copy_(values));
    }
}

fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}
