//! The document at the output `metrics`. It holds no clock reading, so that it is the same whenever it is made again; speeds are
//! metrics of the record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statistics::Estimate;

use crate::confusion::Confusion;
use crate::gates::GateOutcome;

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Test examples that likelihoods were measured on.
    pub examples: usize,
    /// The model before quantization.
    pub original: ModelFigures,
    /// The model with the weights that its 4-bit codes stand for.
    pub quantized: ModelFigures,
    /// How far the second strays from the first.
    pub drift: DriftFigures,
    /// The figures of always answering the commonest severity.
    pub baseline: Option<Baseline>,
    /// Bytes on disk.
    pub sizes: Sizes,
    /// The limits that were set.
    pub gates: Vec<GateOutcome>,
}

/// Figures of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFigures {
    /// How well it foresees the test split.
    pub likelihood: LikelihoodFigures,
    /// How well it answers.
    pub generation: GenerationFigures,
}

/// How well a model foresees the test split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LikelihoodFigures {
    /// Tokens of answers: what it was trained on.
    pub answers: Likelihood,
    /// All tokens, questions included.
    pub all: Likelihood,
}

/// How well a model foresees some tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Likelihood {
    /// Tokens predicted.
    pub tokens: usize,
    /// Exponential of the mean negative log-likelihood.
    pub perplexity: Estimate,
    /// Negative log-likelihood in bits for each byte of their text.
    pub bits_per_byte: f64,
}

/// How far the quantized model strays from the original.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftFigures {
    /// On tokens of answers.
    pub answers: Drift,
    /// On all tokens.
    pub all: Drift,
}

/// Divergence of the next-token distributions, original from quantized, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Tokens compared.
    pub tokens: usize,
    /// Mean.
    pub kl_mean: f64,
    /// Median.
    pub kl_p50: f64,
    /// 99 of 100 are no larger.
    pub kl_p99: f64,
    /// Largest.
    pub kl_max: f64,
    /// Share of tokens on which both have the same favourite.
    pub top1_agreement: f64,
}

/// How well a model answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationFigures {
    /// Questions asked.
    pub answers: usize,
    /// Share of answers that are JSON with the keys and types of the true one.
    pub valid: Estimate,
    /// Share of answers that the model ended by itself.
    pub terminated: Estimate,
    /// Share of answers that equal the true one as JSON.
    pub exact: Estimate,
    /// Where the true answer has a severity.
    pub severity: Option<SeverityFigures>,
    /// Mean distance of the risk from the true one, over answers that give a number.
    pub risk_error: Option<Estimate>,
    /// The same by task.
    pub tasks: BTreeMap<String, TaskFigures>,
}

/// How well a model tells severities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityFigures {
    /// Share of right answers; one without a severity is wrong.
    pub accuracy: Estimate,
    /// How often each answer was given for each truth.
    pub confusion: Confusion,
}

/// Figures of one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFigures {
    /// Questions asked.
    pub answers: usize,
    /// Answers of the right form.
    pub valid: usize,
    /// Answers equal to the true one.
    pub exact: usize,
    /// Answers that ended by themselves.
    pub terminated: usize,
}

/// The figures of always answering the commonest severity of the training split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// That severity.
    pub severity: String,
    /// Its share of the training split.
    pub training_share: f64,
    /// Share of right answers on the questions asked.
    pub accuracy: f64,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// The original's weights file.
    pub original: u64,
    /// The GPTQ weights file.
    pub gptq: u64,
    /// The GGUF file.
    pub gguf: Option<u64>,
}
