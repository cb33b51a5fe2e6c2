//! The document at the output `metrics`. It holds no clock reading, so that it is the same whenever it is made again; speeds are
//! metrics of the record.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::confusion::Confusion;
use crate::gates::GateFigures;
use crate::params::{SamplingParams, Standing};
use crate::requirements::Outcome;

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The form of this document.
    pub version: u32,
    /// What was measured, by digest.
    pub inputs: BTreeMap<String, String>,
    /// How the models drew the tokens of their answers; absent where each was the likeliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampled>,
    /// Test examples that likelihoods were measured on.
    pub examples: usize,
    /// Hosts that the examples and the questions are about.
    pub hosts: usize,
    /// The model before quantization.
    pub original: ModelFigures,
    /// The model with the weights that its codes stand for.
    pub quantized: ModelFigures,
    /// How far the second strays from the first.
    pub drift: DriftFigures,
    /// The same on a text of another kind than the training set's.
    pub out_of_domain: OutOfDomain,
    /// The true answers judged as if a model had given them: the ceiling.
    pub rule: AnswerFigures,
    /// Answers without a model.
    pub baselines: BTreeMap<String, AnswerFigures>,
    /// Differences on the same questions.
    pub comparisons: Vec<Comparison>,
    /// Severities on real reports, where they are wired.
    pub reports: Option<ReportFigures>,
    /// The answers under the schemas of their tasks, by model, where that was asked for.
    pub constrained: Option<BTreeMap<String, ConstrainedFigures>>,
    /// Which answers are taken, by model and task, where that was asked for.
    pub gates: Option<BTreeMap<String, BTreeMap<String, GateFigures>>>,
    /// Bytes on disk.
    pub sizes: Sizes,
    /// The figures that the pipeline requires.
    pub requirements: Vec<Outcome>,
}

/// How the tokens of answers were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sampled {
    /// What logits were divided by.
    pub temperature: f64,
    /// The likeliest tokens that could be drawn; null: all.
    pub top_k: Option<u32>,
    /// The probability that these had together at least; null: all.
    pub top_p: Option<f64>,
    /// Of the draws.
    pub seed: u64,
}

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Lower end of the interval by host; none where there are fewer than two.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Hosts that it is of.
    pub hosts: usize,
}

/// Figures by name.
pub type Figures = BTreeMap<String, Figure>;

/// Figures of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFigures {
    /// How well it foresees the test split.
    pub likelihood: LikelihoodFigures,
    /// How well it answers.
    pub answers: AnswerFigures,
}

/// How well a model foresees the test split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LikelihoodFigures {
    /// Tokens of answers: what it was trained on.
    pub answers: Likelihood,
    /// All tokens, questions included.
    pub all: Likelihood,
}

/// How well a model foresees some tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Likelihood {
    /// Tokens predicted.
    pub tokens: usize,
    /// Exponential of the mean negative log-likelihood.
    pub perplexity: Figure,
    /// Negative log-likelihood in bits for each byte of their text.
    pub bits_per_byte: f64,
}

/// How far the quantized model strays from the original.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftFigures {
    /// On tokens of answers.
    pub answers: Drift,
    /// On all tokens.
    pub all: Drift,
}

/// Divergence of the next-token distributions, original from quantized, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// Both models on a plain text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutOfDomain {
    /// Which text.
    pub text: String,
    /// How well the original foresees it. Its intervals are by window of the text.
    pub original: Likelihood,
    /// How well the quantized model does.
    pub quantized: Likelihood,
    /// How far the second strays from the first.
    pub drift: Drift,
}

/// How good the answers of a model or a baseline are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerFigures {
    /// Questions asked.
    pub questions: usize,
    /// Figures by task.
    pub tasks: BTreeMap<String, TaskFigures>,
    /// Of each figure the mean over the tasks that have it, each task counting the same.
    pub mean: Figures,
    /// Where true answers have a severity: how often each was given for each.
    pub confusion: Option<Confusion>,
}

/// Figures of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskFigures {
    /// Questions asked.
    pub questions: usize,
    /// By name.
    pub figures: Figures,
}

/// Answers of which each token was held to the schema of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstrainedFigures {
    /// How good they are.
    pub answers: AnswerFigures,
    /// Free answers that end and keep their schema.
    pub free_sound: usize,
    /// Of these, those that are the same under the schema, letter by letter.
    pub same: usize,
}

/// The difference of two on the same questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// `original` or `quantized`.
    pub of: String,
    /// `original`, or a baseline.
    pub against: String,
    /// The task, or `mean`.
    pub task: String,
    /// The figure.
    pub figure: String,
    /// The first minus the second, with its paired interval.
    pub difference: Figure,
    /// What the interval says.
    pub verdict: Verdict,
}

/// What an interval says about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The first is better: the whole interval lies beyond 0.
    Better,
    /// The first is worse.
    Worse,
    /// The interval holds 0, or there is none.
    Undecided,
}

/// Severities on real scanner reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportFigures {
    /// What the simulator knows of these reports.
    pub standing: Standing,
    /// Hosts they are of.
    pub hosts: usize,
    /// Findings that were left out, since their prompt leaves no room for an answer.
    pub too_long: usize,
    /// Of the findings asked about, the share whose very prompt was in the training set.
    pub seen_in_training: f64,
    /// By scanner.
    pub scanners: BTreeMap<String, ScannerFigures>,
    /// By model or baseline: the mean over scanners of each figure.
    pub mean: BTreeMap<String, Figures>,
}

/// Severities of one scanner's findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScannerFigures {
    /// Findings asked about.
    pub questions: usize,
    /// Of these, the share whose very prompt was in the training set.
    pub seen_in_training: f64,
    /// Share of severities that are the scanner's own, by model or baseline.
    pub severity_accuracy: BTreeMap<String, Figure>,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// The original's weights file.
    pub original: u64,
    /// The GPTQ weights file.
    pub gptq: u64,
    /// The GGUF file.
    pub gguf: Option<u64>,
}

impl Metrics {
    /// How the models wrote their answers, in words.
    pub fn decoding(&self) -> String {
        self.sampling.map_or_else(|| "greedy".to_owned(), |sampled| sampled.to_string())
    }
}

impl Sampled {
    /// As the params say it.
    pub fn new(SamplingParams { temperature, top_k, top_p }: SamplingParams, seed: u64) -> Sampled {
        Sampled { temperature, top_k: top_k.map(Into::into), top_p, seed }
    }
}

impl fmt::Display for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sampled (temperature {}", self.temperature)?;
        if let Some(top_k) = self.top_k {
            write!(f, ", top_k {top_k}")?;
        }
        if let Some(top_p) = self.top_p {
            write!(f, ", top_p {top_p}")?;
        }
        write!(f, ", seed {})", self.seed)
    }
}
