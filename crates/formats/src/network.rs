//! A quantized network on its way into the containers: packed linears, and everything else in fp16 or eight bits.
//!
//! It is asked for one tensor after the other, so that no more than one need be in memory.

use contract::StageError;
use half::f16;

use crate::gguf::TensorType;
use crate::grid::{Grid, Quantized};
use crate::{Config, Linear};

/// A quantized network.
pub trait Network {
    /// Its shape.
    fn config(&self) -> &Config;

    /// How its linears are packed.
    fn packing(&self) -> Packing;

    /// How tensors that are no linears are stored: the embedding, the head and the norms.
    fn plain_type(&self, name: &str) -> PlainType;

    /// The codes of `linear` in decoder layer `layer`.
    fn linear(&self, layer: i64, linear: Linear) -> Result<Quantized, StageError>;

    /// The tensor that Hugging Face calls `name`, stored as [`Network::plain_type`] says.
    fn plain(&self, name: &str, shape: &[i64]) -> Result<Plain, StageError>;
}

/// How linears are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// What codes mean.
    pub grid: Grid,
    /// Consecutive inputs that share a scale; all of them where there is no number.
    pub group_size: Option<usize>,
    /// How zeros are written in GPTQ safetensors.
    pub zeros: ZeroFormat,
}

/// How GPTQ safetensors hold the zeros of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroFormat {
    /// Minus one: what every loader reads. It has no way to write zero 0.
    V1,
    /// As they are.
    V2,
}

/// How a tensor that is no linear is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainType {
    /// In fp16.
    Half,
    /// In GGUF as Q8_0, whose values are fp16 numbers; in GPTQ safetensors as those numbers.
    EightBits,
}

/// A tensor that is no linear.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// Its values, row by row.
    Half(Vec<f16>),
    /// Its Q8_0 blocks.
    EightBits(Vec<u8>),
}

impl Packing {
    /// Inputs in a group of a linear with `columns` of them.
    pub fn group_of(&self, columns: usize) -> usize {
        self.group_size.unwrap_or(columns)
    }
}

impl ZeroFormat {
    /// What is subtracted from a zero before it is written.
    pub fn offset(self) -> u8 {
        match self {
            ZeroFormat::V1 => 1,
            ZeroFormat::V2 => 0,
        }
    }

    /// What `checkpoint_format` calls it.
    pub fn name(self) -> &'static str {
        match self {
            ZeroFormat::V1 => "gptq",
            ZeroFormat::V2 => "gptq_v2",
        }
    }
}

impl Plain {
    /// Its values in fp16; exact.
    pub fn halves(self) -> Vec<f16> {
        match self {
            Plain::Half(values) => values,
            Plain::EightBits(blocks) => TensorType::Q8_0.decode(&blocks).into_iter().map(f16::from_f32).collect(),
        }
    }
}

/// The linears of a network of `config`, in network order.
pub fn linears(config: &Config) -> impl Iterator<Item = (i64, Linear)> {
    (0..config.num_hidden_layers).flat_map(|layer| Linear::ALL.map(|linear| (layer, linear)))
}

/// Name and shape of everything in a network of `config` that is no linear of a decoder layer, in network order.
pub fn plain_tensors(config: &Config) -> Vec<(String, Vec<i64>)> {
    let linears: std::collections::HashSet<String> =
        linears(config).map(|(layer, linear)| linear.tensor_name(layer)).collect();
    config.tensors().into_iter().filter(|(name, _)| !linears.contains(name)).collect()
}
