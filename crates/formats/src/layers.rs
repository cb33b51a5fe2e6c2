//! The figures of each quantized layer: the output `layers` of `quantize`.

use serde::{Deserialize, Serialize};

/// The document at the output `layers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayersReport {
    /// Samples of the calibration split that were used.
    pub calibration_samples: usize,
    /// Their tokens, padding not counted.
    pub calibration_tokens: i64,
    /// Mean of the layers' relative errors.
    pub mean_relative_error: f64,
    /// The same for round-to-nearest.
    pub mean_nearest_relative_error: f64,
    /// Size of the GPTQ weights file.
    pub gptq_bytes: u64,
    /// Size of the GGUF file.
    pub gguf_bytes: u64,
    /// One entry a linear, in the order in which they were quantized.
    pub layers: Vec<LayerReport>,
}

/// One linear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerReport {
    /// Its name: `model.layers.0.self_attn.q_proj`.
    pub module: String,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// The damping its Hessian took, as a share of the mean diagonal.
    pub damping: f64,
    /// Inputs that were always zero; their weights became zero.
    pub dead_columns: usize,
    /// Half the summed squared error of the column loop.
    pub loss: f64,
    /// `|(W - Q) X|^2 / |W X|^2` over the calibration inputs.
    pub relative_error: f64,
    /// The same for round-to-nearest on the same grid.
    pub nearest_relative_error: f64,
    /// The share of groups whose scale is negative.
    pub negative_scales: f64,
}

impl LayersReport {
    /// The mean of `figure` over the layers.
    pub fn mean(layers: &[LayerReport], figure: impl Fn(&LayerReport) -> f64) -> f64 {
        layers.iter().map(figure).sum::<f64>() / layers.len().max(1) as f64
    }
}
