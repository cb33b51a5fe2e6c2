//! Where a model's tensors lie, and the precision in which it computes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Cuda, Device, Kind, Tensor};

/// The device and the precision of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where its tensors lie.
    pub device: Device,
    /// The type of its activations, and of its weights unless they are trained.
    pub kind: Kind,
}

/// A device as a pipeline names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// A CUDA device where there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device.
    Cuda,
}

/// A precision as a pipeline names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    Fp32,
    /// 16 bits with the range of fp32; GPUs from Ampere (A10G, A100) on have it.
    Bf16,
    /// 16 bits with little range; the one of the two that a T4 has.
    Fp16,
}

/// A device was asked for that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacementError {
    /// This libtorch computes on CPUs only.
    NoCuda,
    /// libtorch could compute on a GPU and finds none.
    NoDevice,
}

impl Placement {
    /// fp32 on the CPU: the one placement whose results are the same on every machine of one kind.
    pub const CPU: Placement = Placement { device: Device::Cpu, kind: Kind::Float };

    /// What `device` and `precision` stand for on this machine.
    pub fn choose(device: DeviceChoice, precision: Precision) -> Result<Placement, PlacementError> {
        let device = match device {
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::Auto => Device::cuda_if_available(),
            DeviceChoice::Cuda if Cuda::device_count() > 0 => Device::Cuda(0),
            DeviceChoice::Cuda if tch::utils::has_cuda() => return Err(PlacementError::NoDevice),
            DeviceChoice::Cuda => return Err(PlacementError::NoCuda),
        };
        Ok(Placement { device, kind: precision.kind() })
    }

    /// `tensor` as a weight of a model placed here.
    pub(crate) fn place(self, tensor: &Tensor) -> Tensor {
        tensor.to_kind(self.kind).to_device(self.device)
    }

    /// Flags, where the model wants them.
    pub(crate) fn booleans(self, values: &[bool]) -> Tensor {
        Tensor::from_slice(values).to_device(self.device)
    }

    /// Token ids or positions, where the model wants them.
    pub(crate) fn integers(self, values: &[i64]) -> Tensor {
        Tensor::from_slice(values).to_device(self.device)
    }
}

impl Precision {
    /// The type of such numbers.
    pub fn kind(self) -> Kind {
        match self {
            Precision::Fp32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
            Precision::Fp16 => Kind::Half,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Fp32 => "fp32",
            Precision::Bf16 => "bf16",
            Precision::Fp16 => "fp16",
        })
    }
}

impl PlacementError {
    /// What to do.
    pub fn help(self) -> &'static str {
        match self {
            PlacementError::NoCuda => {
                "take `device: auto` or `device: cpu`, or build the worker with the CUDA libtorch: scripts/libtorch.sh --cuda \
                 (docs/setup.md)"
            }
            PlacementError::NoDevice => {
                "take `device: auto` or `device: cpu`; where there is a GPU, `nvidia-smi` must list it, and CUDA_VISIBLE_DEVICES must not \
                 hide it"
            }
        }
    }
}

impl fmt::Display for PlacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlacementError::NoCuda => "`device: cuda`: the worker is linked with the libtorch for CPUs",
            PlacementError::NoDevice => "`device: cuda`: libtorch finds no GPU on this machine",
        })
    }
}

impl std::error::Error for PlacementError {}
