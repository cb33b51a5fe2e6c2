//! The weights under training as one flat tensor, so that clipping and the optimizer are a few passes over memory instead of
//! hundreds of calls.
//!
//! The model's weights become leaves that share its storage; weights that were not handed over stay as they are and get no
//! gradient. The gradients of the leaves share the storage of one flat tensor too, so autograd adds into it and nothing is gathered
//! afterwards. Norms lie at the end: weight decay touches one contiguous head. Always fp32, whatever the model computes in.

use llama::Placement;
use tch::{Device, Kind, Tensor, no_grad};

/// Numbers that are updated at once. On a CPU all that an update touches then stays in a core's cache, where whole tensors pass
/// through memory once for each operation of the update; on a GPU each launch costs, so only the temporary tensors are bounded.
fn chunk(device: Device) -> i64 {
    if device == Device::Cpu { 1 << 16 } else { 1 << 26 }
}

/// The weights of a model that training moves.
#[derive(Debug)]
pub struct Parameters {
    /// Every one of them, flat.
    pub values: Tensor,
    /// What the backward passes since [`Parameters::clear_gradient`] gave, as long as `values`.
    pub gradient: Tensor,
    /// Numbers at the start of `values` that weight decay touches.
    pub decayed: i64,
}

impl Parameters {
    /// Moves `trainable` into one tensor at `placement`; each is replaced by its part of it.
    pub fn adopt(placement: Placement, trainable: Vec<(String, &mut Tensor)>) -> Parameters {
        let length = |tensors: &[(String, &mut Tensor)]| tensors.iter().map(|(_, tensor)| tensor.numel() as i64).sum();
        let (norms, mut ordered): (Vec<_>, Vec<_>) = trainable.into_iter().partition(|(name, _)| is_norm(name));
        let decayed = length(&ordered);
        ordered.extend(norms);
        let values = Tensor::zeros([length(&ordered)], (Kind::Float, placement.device));
        let gradient = values.zeros_like();
        let mut start = 0;
        for (_, tensor) in ordered {
            let count = tensor.numel() as i64;
            let part = |whole: &Tensor| whole.narrow(0, start, count).view(&tensor.size()[..]);
            let mut place = part(&values);
            no_grad(|| place.copy_(tensor));
            let leaf = place.detach().set_requires_grad(true);
            give_gradient(&leaf, &part(&gradient));
            *tensor = leaf;
            start += count;
        }
        Parameters { values, gradient, decayed }
    }

    /// Forgets the gradient.
    pub fn clear_gradient(&mut self) {
        let _ = self.gradient.zero_();
    }

    /// Zeros in the shape of `values`.
    pub fn zeros(&self) -> Tensor {
        self.values.zeros_like()
    }

    /// Calls `update` with parts of `values`, of `gradient` and of each of `state`, which have the same length, and with whether weight
    /// decay touches them.
    pub fn in_parts<const N: usize>(&self, state: [&Tensor; N], update: impl Fn(Tensor, Tensor, [Tensor; N], bool)) {
        let (length, chunk) = (self.values.numel() as i64, chunk(self.values.device()));
        for (start, end, decays) in [(0, self.decayed, true), (self.decayed, length, false)] {
            for at in (start..end).step_by(chunk as usize) {
                let part = |whole: &Tensor| whole.narrow(0, at, chunk.min(end - at));
                no_grad(|| update(part(&self.values), part(&self.gradient), state.map(part), decays));
            }
        }
    }
}

/// Makes `place` the tensor into which the backward passes add the gradient of `leaf`.
fn give_gradient(leaf: &Tensor, place: &Tensor) {
    // Autograd makes the gradient tensor of a leaf in its first backward pass; only then can it lie elsewhere.
    (leaf * 0.0).sum(Kind::Float).backward();
    leaf.grad().set_data(place);
}

fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}
