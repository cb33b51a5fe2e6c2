//! The params of `quantize`, with the defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Params of the kind `quantize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuantizeParams {
    /// Bits of a code. Both containers are written for 4.
    #[schemars(range(min = 4, max = 4))]
    pub bits: u32,
    /// Consecutive inputs that share a scale. GGUF repeats a scale where this is more than 32.
    #[schemars(extend("enum" = [32, 64, 128]))]
    pub group_size: u32,
    /// What is added to the diagonal of the Hessian, as a share of its mean; raised when a layer needs more.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1.0))]
    pub damping: f64,
    /// The order in which columns are quantized.
    pub act_order: ActOrder,
    /// What a layer's calibration inputs have already gone through.
    pub sequence: Sequence,
    /// Samples of the calibration split to use, from its start.
    #[schemars(range(min = 1, max = 65536))]
    pub calibration_samples: u32,
    /// Threads of the tensor library: part of the key, since sums depend on how they are split.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,
}

/// The order in which columns are quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActOrder {
    /// Largest activations first, with scales fixed beforehand: groups stay consecutive, so any runtime reads the result.
    Static,
    /// As they stand; each group's scale is taken when the loop reaches it.
    Off,
}

/// What a layer's calibration inputs have already gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sequence {
    /// Every quantized layer before it, those of its own block included.
    TrueSequential,
    /// The quantized blocks before its own. One pass over the data a block instead of four.
    Blocks,
}

impl Default for QuantizeParams {
    fn default() -> Self {
        QuantizeParams {
            bits: 4,
            group_size: 32,
            damping: 0.01,
            act_order: ActOrder::Static,
            sequence: Sequence::TrueSequential,
            calibration_samples: 128,
            threads: 2,
        }
    }
}

impl QuantizeParams {
    /// `quantize_config.json`: what loaders of the GPTQ directory want to know of them.
    pub fn config(&self) -> Value {
        let order = match self.act_order {
            ActOrder::Static => "static",
            ActOrder::Off => "off",
        };
        json!({
            "quant_method": "gptq",
            "bits": self.bits,
            "group_size": self.group_size,
            "desc_act": false,
            "sym": true,
            "lm_head": false,
            "damp_percent": self.damping,
            "true_sequential": self.sequence == Sequence::TrueSequential,
            "checkpoint_format": "gptq",
            "pack_dtype": "int32",
            "meta": {"quantizer": [format!("pipe:{}", crate::stage::VERSION)], "act_order": order, "signed_scales": true},
        })
    }
}
