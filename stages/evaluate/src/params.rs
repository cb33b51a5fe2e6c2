//! The params of `evaluate`, with the defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gates::Gates;

/// Params of the kind `evaluate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateParams {
    /// Test examples that perplexity and divergence are measured on; all, when the split has fewer.
    #[schemars(range(min = 1, max = 1048576))]
    pub examples: u32,
    /// Test examples that each model answers.
    #[schemars(range(min = 1, max = 65536))]
    pub samples: u32,
    /// Longest answer in tokens.
    #[schemars(range(min = 1, max = 131072))]
    pub max_new_tokens: u32,
    /// Chooses the examples and draws the bootstrap.
    #[schemars(range(min = 0))]
    pub seed: u64,
    /// Threads of the tensor library: part of the key, since sums depend on how they are split.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,
    /// Limits that make the stage fail when they are crossed.
    pub gates: Gates,
}

impl Default for EvaluateParams {
    fn default() -> Self {
        EvaluateParams {
            examples: 200,
            samples: 100,
            max_new_tokens: 160,
            seed: 42,
            threads: 2,
            gates: Gates::default(),
        }
    }
}
