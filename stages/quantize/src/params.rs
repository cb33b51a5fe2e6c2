//! The params of `quantize` and `export`, with the defaults.

use formats::gguf::{About, TensorType};
use formats::grid::Grid;
use formats::network::{Packing, PlainType, ZeroFormat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Params of the kind `quantize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuantizeParams {
    /// Bits of a code.
    #[schemars(extend("enum" = [2, 3, 4, 8]))]
    pub bits: u32,
    /// Consecutive inputs that share a scale; -1 is all of a row. GGUF repeats a scale where this is more than 32.
    #[schemars(extend("enum" = [-1, 32, 64, 128]))]
    pub group_size: i32,
    /// Which code stands for zero.
    pub zero: ZeroPoint,
    /// How the scale of a group is chosen.
    pub scale: ScaleChoice,
    /// What is added to the diagonal of the Hessian, as a share of its mean; raised when a layer needs more.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1.0))]
    pub damping: f64,
    /// The order in which columns are quantized.
    pub act_order: ActOrder,
    /// What a layer's calibration inputs have already gone through.
    pub sequence: Sequence,
    /// How the embedding and the head are stored in GGUF.
    pub embedding: EmbeddingType,
    /// Samples of the calibration split to use, from its start.
    #[schemars(range(min = 1, max = 65536))]
    pub calibration_samples: u32,
    /// Threads of the tensor library: part of the key, since sums depend on how they are split.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,
    /// What the files call the model; null is what the model's own files say.
    pub name: Option<String>,
    /// Who the files say made it; null as above.
    pub author: Option<String>,
    /// Its licence in the files, as Hugging Face names it: `apache-2.0`; null as above.
    pub license: Option<String>,
}

/// Params of the kind `export`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExportParams {
    /// The type of all matrices; norms are F32.
    pub r#type: PlainGguf,
    /// What the file calls the model; null is what the model's own files say.
    pub name: Option<String>,
    /// Who the file says made it; null as above.
    pub author: Option<String>,
    /// Its licence in the file, as Hugging Face names it: `apache-2.0`; null as above.
    pub license: Option<String>,
}

/// The type of the matrices of a plain GGUF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlainGguf {
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the exponent of 32-bit ones.
    Bf16,
    /// 8-bit codes in blocks of 32.
    Q8_0,
}

/// Which code stands for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZeroPoint {
    /// The middle one, and scales have a sign.
    Symmetric,
    /// One of each group.
    Asymmetric,
}

/// How the scale of a group is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleChoice {
    /// The one that reaches the group's extreme value.
    Extreme,
    /// The one with the least squared error of the weights, of either sign.
    Mse,
    /// The one with the least squared error of the outputs, as far as the diagonal of the Hessian tells, of either sign.
    Hessian,
}

/// How the embedding and the head are stored in GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingType {
    /// 16-bit floats.
    F16,
    /// 8-bit codes in blocks of 32; the GPTQ directory holds the same values as 16-bit floats.
    Q8_0,
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
    /// The quantized blocks before its own.
    Blocks,
}

impl Default for QuantizeParams {
    fn default() -> Self {
        QuantizeParams {
            bits: 4,
            group_size: 32,
            zero: ZeroPoint::Symmetric,
            scale: ScaleChoice::Extreme,
            damping: 0.01,
            act_order: ActOrder::Static,
            sequence: Sequence::TrueSequential,
            embedding: EmbeddingType::F16,
            calibration_samples: 128,
            threads: 2,
            name: None,
            author: None,
            license: None,
        }
    }
}

impl Default for ExportParams {
    fn default() -> Self {
        ExportParams { r#type: PlainGguf::F16, name: None, author: None, license: None }
    }
}

impl ExportParams {
    /// The type of matrices.
    pub fn tensor_type(&self) -> TensorType {
        match self.r#type {
            PlainGguf::F16 => TensorType::F16,
            PlainGguf::Bf16 => TensorType::Bf16,
            PlainGguf::Q8_0 => TensorType::Q8_0,
        }
    }

    /// What the user wants said about the model.
    pub fn about(&self) -> About {
        About { name: self.name.clone(), author: self.author.clone(), license: self.license.clone() }
    }
}

impl QuantizeParams {
    /// What codes mean.
    pub fn grid(&self) -> Grid {
        match self.zero {
            ZeroPoint::Symmetric => Grid::symmetric(self.bits),
            ZeroPoint::Asymmetric => Grid::asymmetric(self.bits),
        }
    }

    /// How linears are packed, in a format of zeros that can write them.
    pub fn packing(&self, zeros: ZeroFormat) -> Packing {
        Packing { grid: self.grid(), group_size: usize::try_from(self.group_size).ok(), zeros }
    }

    /// Inputs in a group of a linear with `columns` of them.
    pub fn group_of(&self, columns: usize) -> usize {
        self.packing(ZeroFormat::V1).group_of(columns)
    }

    /// How the embedding and the head are stored.
    pub fn plain_type(&self, name: &str) -> PlainType {
        match self.embedding {
            EmbeddingType::Q8_0 if !name.ends_with("norm.weight") => PlainType::EightBits,
            _ => PlainType::Half,
        }
    }

    /// What the user wants said about the model.
    pub fn about(&self) -> About {
        About { name: self.name.clone(), author: self.author.clone(), license: self.license.clone() }
    }

    /// `quantize_config.json`: what loaders of the GPTQ directory want to know of them.
    pub fn config(&self, zeros: ZeroFormat) -> Value {
        json!({
            "quant_method": "gptq",
            "bits": self.bits,
            "group_size": self.group_size,
            "desc_act": false,
            "sym": self.zero == ZeroPoint::Symmetric,
            "lm_head": false,
            "damp_percent": self.damping,
            "true_sequential": self.sequence == Sequence::TrueSequential,
            "checkpoint_format": zeros.name(),
            "pack_dtype": "int32",
            "meta": {
                "quantizer": [format!("pipe:{}", crate::stage::VERSION)],
                "act_order": self.act_order,
                "scale": self.scale,
                "signed_scales": self.zero == ZeroPoint::Symmetric,
            },
        })
    }
}
