//! Where a model's tensors lie, and the precision in which it computes.

use tch::{Device, Kind, Tensor};

/// The device and the precision of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where its tensors lie.
    pub device: Device,
    /// The type of its weights and activations.
    pub kind: Kind,
}

impl Placement {
    /// fp32 on the CPU: the one placement whose results are the same on every machine of one kind.
    pub const CPU: Placement = Placement { device: Device::Cpu, kind: Kind::Float };

    /// `tensor` as a weight of a model placed here.
    pub(crate) fn place(self, tensor: &Tensor) -> Tensor {
        tensor.to_kind(self.kind).to_device(self.device)
    }

    /// Token ids or positions, where the model wants them.
    pub(crate) fn integers(self, values: &[i64]) -> Tensor {
        Tensor::from_slice(values).to_device(self.device)
    }
}
