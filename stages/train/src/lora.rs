//! The adapters that a pipeline asks for, and their files as PEFT has them.
//!
//! `adapter/` in the model's directory is a directory that `PeftModel.from_pretrained` reads, beside the base that was trained on.

use std::path::Path;

use contract::StageError;
use contract::stage::At;
use llama::{AdapterShape, Linear, weights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Tensor;

/// Where adapters lie in the model's directory.
pub const DIRECTORY: &str = "adapter";

/// Adapters of low rank (arXiv 2106.09685).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoraParams {
    /// Their rank.
    #[schemars(range(min = 1, max = 4096))]
    pub r: u32,
    /// Divided by the rank: what an adapter's output is multiplied by.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub alpha: f64,
    /// Share of an adapter's inputs that are left out at a step.
    #[schemars(range(min = 0, max = 0.9))]
    pub dropout: f64,
    /// The linears of every layer that get one.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// Adds them to the base's weights at the end, so that the model is a whole one; without it there are the adapters alone.
    pub merge: bool,
}

impl Default for LoraParams {
    fn default() -> LoraParams {
        let targets = vec![Target::Q, Target::K, Target::V, Target::O, Target::Gate, Target::Up, Target::Down];
        LoraParams { r: 16, alpha: 32.0, dropout: 0.05, targets, merge: true }
    }
}

/// A linear of a decoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// From the heads back to the residual stream.
    O,
    /// The gated half of the feed-forward layer.
    Gate,
    /// The linear half of the feed-forward layer.
    Up,
    /// From the feed-forward layer back to the residual stream.
    Down,
}

impl Target {
    fn linear(self) -> Linear {
        match self {
            Target::Q => Linear::Q,
            Target::K => Linear::K,
            Target::V => Linear::V,
            Target::O => Linear::O,
            Target::Gate => Linear::Gate,
            Target::Up => Linear::Up,
            Target::Down => Linear::Down,
        }
    }
}

impl LoraParams {
    /// Their shape.
    pub fn shape(&self) -> AdapterShape {
        let targets = self.targets.iter().map(|target| target.linear()).collect();
        AdapterShape { rank: self.r.into(), alpha: self.alpha, targets }
    }

    /// Writes `adapters`, by the names of [`llama::Llama::adapters_mut`], into `directory`.
    pub fn save(&self, adapters: Vec<(String, Tensor)>, directory: &Path) -> Result<(), StageError> {
        std::fs::create_dir_all(directory).at(directory)?;
        let named: Vec<_> =
            adapters.into_iter().map(|(name, tensor)| (format!("base_model.model.{name}"), tensor)).collect();
        weights::save(&named, &directory.join("adapter_model.safetensors"))?;
        let path = directory.join("adapter_config.json");
        let text = serde_json::to_string_pretty(&self.peft()).map_err(|e| StageError::bug(e.to_string()))?;
        std::fs::write(&path, text + "\n").at(&path)
    }

    /// `adapter_config.json`. It names no base: where the base lies is a path on one machine.
    fn peft(&self) -> serde_json::Value {
        let module = |linear: Linear| linear.module_name(0).rsplit('.').next().unwrap_or_default().to_owned();
        let modules: Vec<String> = self.shape().linears().map(module).collect();
        json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": null,
            "r": self.r,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": modules,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "modules_to_save": null,
            "use_dora": false,
            "use_rslora": false,
        })
    }
}
