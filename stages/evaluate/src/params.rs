//! The params of `evaluate`, with the defaults.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use llama::Sampling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Params of the kind `evaluate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateParams {
    /// Test examples that perplexity and divergence are measured on; all, when the split has fewer.
    #[schemars(range(min = 1, max = 1048576))]
    pub examples: u32,
    /// Questions that each model answers: as many of each task as there are; of `reports` as many again, and of each scanner alike.
    #[schemars(range(min = 1, max = 65536))]
    pub samples: u32,
    /// Longest answer in tokens.
    #[schemars(range(min = 1, max = 131072))]
    pub max_new_tokens: u32,
    /// How the tokens of answers are drawn; null = greedily, each the likeliest.
    pub sampling: Option<SamplingParams>,
    /// Chooses the examples, and draws the bootstrap and sampled answers.
    #[schemars(range(min = 0))]
    pub seed: u64,
    /// Threads of the tensor library: part of the key, since sums depend on how they are split.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,
    /// Figures that make the stage fail when they are not met, after metrics and report are written: `{severity_macro_f1: ">= 0.8"}`.
    pub require: BTreeMap<String, String>,
    /// Whether the models answer the questions once more, each token held to the schema of the task: figures with and without.
    pub constrained: bool,
    /// Whether the models answer questions of the validation split too, by which the smallest confidence that is taken is chosen.
    pub gates: bool,
    /// Questions that they answer for that: of tasks that have 299 or more, as fewer give no gate.
    #[schemars(range(min = 1, max = 65536))]
    pub gate_samples: u32,
    /// What the simulator knows of `reports`.
    pub reports_standing: Standing,
    /// Of the model, as the Hugging Face Hub names it, for the model card; that of the dataset when it is empty.
    pub license: String,
}

/// How tokens are drawn, with the names, the meaning and the order that they have in transformers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingParams {
    /// Logits are divided by it: below 1 likely tokens become likelier.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub temperature: f64,
    /// Tokens that may be drawn: so many of the likeliest; null = all.
    pub top_k: Option<NonZeroU32>,
    /// Of these, the fewest likeliest that have this probability together; null = all.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1.0))]
    pub top_p: Option<f64>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        SamplingParams { temperature: 1.0, top_k: None, top_p: None }
    }
}

impl From<SamplingParams> for Sampling {
    fn from(SamplingParams { temperature, top_k, top_p }: SamplingParams) -> Sampling {
        Sampling { temperature, top_k, top_p }
    }
}

/// What the simulator, by whose hosts the model was trained, knows of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing: neither its tables nor the training set were made from them.
    HeldOut,
    /// Its tables were made from them.
    KnownToTheSimulator,
}

impl Default for EvaluateParams {
    fn default() -> Self {
        EvaluateParams {
            examples: 200,
            samples: 120,
            max_new_tokens: 256,
            sampling: None,
            seed: 42,
            threads: 2,
            require: BTreeMap::new(),
            constrained: false,
            gates: false,
            gate_samples: 1200,
            reports_standing: Standing::HeldOut,
            license: String::new(),
        }
    }
}
