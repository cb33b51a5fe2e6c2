//! A quantized network as both containers store it: packed linears, and everything else in fp16.

use half::f16;

use crate::grid::Quantized;
use crate::{Config, Linear};

/// A quantized network.
#[derive(Debug)]
pub struct Network {
    /// Its shape.
    pub config: Config,
    /// The packed linears, in network order.
    pub linears: Vec<PackedLinear>,
    /// Every other tensor, in network order.
    pub plain: Vec<Plain>,
}

/// A packed linear.
#[derive(Debug)]
pub struct PackedLinear {
    /// The decoder layer.
    pub layer: i64,
    /// Which of its linears.
    pub linear: Linear,
    /// `model.layers.0.self_attn.q_proj`.
    pub module: String,
    /// Codes and scales.
    pub quantized: Quantized,
}

/// A tensor that is not quantized.
#[derive(Debug)]
pub struct Plain {
    /// Its name in Hugging Face checkpoints.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its values, row by row.
    pub values: Vec<f16>,
}
