//! The params of `train`.

use llama::{DeviceChoice, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lora::LoraParams;
use crate::preset::ModelSize;
use crate::schedule::Schedule;

/// Params of `train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainParams {
    /// The size of a model with fresh weights; null = tiny. A `base` has its own.
    pub model: Option<ModelSize>,
    /// Trains adapters beside the weights of the `base`, which stay as they are; null = trains all weights.
    pub lora: Option<LoraParams>,
    /// Times each example is seen.
    #[schemars(range(min = 1))]
    pub epochs: u32,
    /// Optimizer steps; replaces `epochs` when set.
    #[schemars(range(min = 1))]
    pub max_steps: Option<u32>,
    /// Examples in one optimizer step, all replicas together.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// Full examples computed at once at most; of shorter ones, as many as take the same memory. Changes memory and speed, and results
    /// only by rounding.
    #[schemars(range(min = 1))]
    pub micro_batch_size: u32,
    /// Keeps the inputs of layers only and computes the rest again for the gradient: a third more work, and the memory of one layer's
    /// activations. The gradient is the same.
    pub gradient_checkpointing: bool,
    /// Where it computes; `auto` is a CUDA device where there is one.
    pub device: DeviceChoice,
    /// In what it computes. Trained weights, optimizer and loss are in fp32 always.
    pub precision: Precision,
    /// How weights are updated.
    pub optimizer: OptimizerParams,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Gradients of a larger norm are scaled down to it.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_norm: f64,
    /// Of fresh weights, of the order of examples, and of dropout.
    pub seed: u64,
    /// Threads of libtorch. Results are bit-equal for the same number only.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,
    /// Steps between measurements on the validation split; one is always made at the end.
    #[schemars(range(min = 1))]
    pub eval_every: u32,
    /// Validation examples measured, from the first; null = all.
    #[schemars(range(min = 1))]
    pub eval_examples: Option<u32>,
    /// Measurements in a row without a lower validation loss after which training ends; null = never before the last step.
    #[schemars(range(min = 1))]
    pub patience: Option<u32>,
    /// The weights that become the model.
    pub keep: Keep,
    /// Steps between checkpoints; one is always made on interruption.
    #[schemars(range(min = 1))]
    pub checkpoint_every: u32,
    /// Writes the curves for TensorBoard too, into `runs/` of the model's directory.
    pub tensorboard: bool,
}

impl Default for TrainParams {
    fn default() -> TrainParams {
        TrainParams {
            model: None,
            lora: None,
            epochs: 1,
            max_steps: None,
            batch_size: 24,
            micro_batch_size: 6,
            gradient_checkpointing: false,
            device: DeviceChoice::Auto,
            precision: Precision::Fp32,
            optimizer: OptimizerParams::Lion(LionParams::default()),
            schedule: Schedule::default(),
            clip_norm: 1.0,
            seed: 42,
            threads: 2,
            eval_every: 50,
            eval_examples: Some(96),
            patience: None,
            keep: Keep::Last,
            checkpoint_every: 50,
            tensorboard: false,
        }
    }
}

/// Which weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Those of the last step.
    Last,
    /// Those with the lowest validation loss, which take the memory of one more copy of the trained weights.
    Best,
}

/// How weights are updated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerParams {
    /// Lion (arXiv 2302.06675): the sign of an interpolated momentum.
    Lion(LionParams),
    /// AdamW (arXiv 1711.05101): the mean gradient over the root of its mean square. Takes the memory of one more copy of the
    /// weights than Lion.
    #[serde(rename = "adamw")]
    AdamW(AdamWParams),
}

/// Settings of Lion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LionParams {
    /// Highest learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// Decoupled weight decay; norms are spared.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// Interpolation for the update, and decay of the momentum.
    #[schemars(inner(range(min = 0, max = 1)))]
    pub betas: [f64; 2],
}

impl Default for LionParams {
    fn default() -> LionParams {
        LionParams { lr: 2e-4, weight_decay: 0.01, betas: [0.9, 0.99] }
    }
}

/// Settings of AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWParams {
    /// Highest learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// Decoupled weight decay; norms are spared.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// Decay of the mean gradient, and of its mean square.
    #[schemars(inner(range(min = 0, max = 0.99999)))]
    pub betas: [f64; 2],
    /// Added to the root of the mean square.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub eps: f64,
}

impl Default for AdamWParams {
    fn default() -> AdamWParams {
        AdamWParams { lr: 2e-4, weight_decay: 0.01, betas: [0.9, 0.999], eps: 1e-8 }
    }
}
