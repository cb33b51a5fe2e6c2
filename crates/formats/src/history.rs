//! The loss curve: `history.json`, the second output of `train`.
//!
//! It holds no clock reading, so that the artifact is the same whenever it is made again; speeds are metrics of the record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The course of one training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One point a step.
    pub steps: Vec<StepPoint>,
    /// One point a measurement on the validation split.
    pub evaluations: Vec<EvaluationPoint>,
}

/// The figures of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPoint {
    /// From 1.
    pub step: u64,
    /// Mean over the step's target tokens, before the update.
    pub loss: f64,
    /// Learning rate.
    pub rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Tokens, without padding.
    pub tokens: u64,
    /// Target tokens.
    pub targets: u64,
}

/// The loss on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationPoint {
    /// Steps done.
    pub step: u64,
    /// Mean over all target tokens.
    pub loss: f64,
}

/// The whole document. Its reader takes the params as they are: only `train` knows their type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HistoryFile<P = serde_json::Value> {
    /// The stage's params.
    pub params: P,
    /// Numbers in all weights.
    pub parameters: u64,
    /// Examples in the training split.
    pub examples: u64,
    /// Steps done.
    pub total_steps: u64,
    /// Tokens seen, without padding.
    pub total_tokens: u64,
    /// Target tokens seen.
    pub total_targets: u64,
    /// Steps after which the weights that were kept had been reached; absent in files of former versions.
    #[serde(default)]
    pub kept_step: Option<u64>,
    /// Whether it ended before its last step, since the validation loss fell no more.
    #[serde(default)]
    pub ended_early: bool,
    /// The model it began with; null where weights were fresh.
    #[serde(default)]
    pub base: Option<BaseFigures>,
    /// The curve.
    #[serde(rename = "history")]
    pub curve: History,
}

/// The model that a training began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseFigures {
    /// How many of its tensors were stored in which type.
    pub tensors: BTreeMap<String, u64>,
    /// Whether weights of it were quantized, so that training began with what quantization had left of them.
    pub quantized: bool,
    /// What was trained beside it; null where all of its own weights were.
    pub adapters: Option<AdapterFigures>,
}

/// The adapters of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterFigures {
    /// Numbers in all of them.
    pub parameters: u64,
    /// The largest difference of a logit between the base with adapters and the merged model; null where nothing was merged.
    pub merge_difference: Option<f64>,
}
