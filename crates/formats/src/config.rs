//! `config.json` of a Hugging Face Llama directory.
//!
//! transformers 5 writes `rope_parameters` and `dtype` where older releases wrote `rope_theta` and `torch_dtype`: both are
//! read, both are written. What the model code does not do (biases, other activations, other scalings of rotary angles) is refused
//! here, and so are sizes that no model has: memory is taken by them.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use crate::error::{LlamaError, LlamaErrorKind};
use crate::rope::{RopeFile, RopeScaling};

/// The shape of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width of the residual stream.
    pub hidden_size: i64,
    /// Width inside the feed-forward layers.
    pub intermediate_size: i64,
    /// Decoder layers.
    pub num_hidden_layers: i64,
    /// Query heads.
    pub num_attention_heads: i64,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: i64,
    /// Width of one head.
    pub head_dim: i64,
    /// Rows of the embedding.
    pub vocab_size: i64,
    /// Longest sequence the model is meant for.
    pub max_position_embeddings: i64,
    /// Added under the root of the norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How those frequencies are stretched for long contexts.
    pub rope_scaling: RopeScaling,
    /// The head uses the embedding's weights.
    pub tie_word_embeddings: bool,
    /// First token of a sequence.
    pub bos_token_id: Option<i64>,
    /// Tokens that end generation.
    pub eos_token_ids: Vec<i64>,
    /// Filler.
    pub pad_token_id: Option<i64>,
}

impl Config {
    /// Reads `config.json` in `directory`.
    pub fn load(directory: &Path) -> Result<Config, LlamaError> {
        let path = directory.join("config.json");
        let bytes = std::fs::read(&path).map_err(LlamaError::at(&path))?;
        let file: ConfigFile = serde_json::from_slice(&bytes).map_err(LlamaError::at(&path))?;
        file.resolve().map_err(LlamaError::at(&path))
    }

    /// From the document that [`Config::to_json`] makes.
    pub fn from_json(document: serde_json::Value) -> Result<Config, LlamaErrorKind> {
        serde_json::from_value::<ConfigFile>(document)?.resolve()
    }

    /// Writes `config.json` in `directory`.
    pub fn save(&self, directory: &Path) -> Result<(), LlamaError> {
        let path = directory.join("config.json");
        let text = serde_json::to_string_pretty(&self.to_json()).map_err(LlamaError::at(&path))?;
        std::fs::write(&path, text + "\n").map_err(LlamaError::at(&path))
    }

    /// The document [`Config::save`] writes; the quantizer adds its own key to it.
    pub fn to_json(&self) -> serde_json::Value {
        let eos = match self.eos_token_ids[..] {
            [] => json!(null),
            [one] => json!(one),
            _ => json!(self.eos_token_ids),
        };
        let mut rope_parameters = json!({"rope_theta": self.rope_theta, "rope_type": "default"});
        let rope_scaling = self.rope_scaling.to_json();
        for (key, value) in rope_scaling.as_object().into_iter().flatten() {
            rope_parameters[key] = value.clone();
        }
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_parameters": rope_parameters,
            "rope_scaling": rope_scaling,
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "mlp_bias": false,
            "hidden_act": "silu",
            "bos_token_id": self.bos_token_id,
            "eos_token_id": eos,
            "pad_token_id": self.pad_token_id,
            "dtype": "float32",
            "torch_dtype": "float32",
            "use_cache": true,
        })
    }

    /// Itself, unless it has a size that no model has: memory is taken by them.
    pub fn checked(self) -> Result<Config, LlamaErrorKind> {
        let refuse = |key, value: String, supported| Err(LlamaErrorKind::Unsupported { key, value, supported });
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((key, value)) = sizes.into_iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            return refuse(key, value.to_string(), "1 to 16777216");
        }
        if self.num_hidden_layers > MOST_LAYERS {
            return refuse("num_hidden_layers", self.num_hidden_layers.to_string(), "1 to 4096");
        }
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if kv_heads < 1 || heads % kv_heads != 0 {
            return refuse("num_key_value_heads", kv_heads.to_string(), "a divisor of num_attention_heads");
        }
        if !(2..=LARGEST).contains(&self.head_dim) || self.head_dim % 2 != 0 {
            return refuse("head_dim", self.head_dim.to_string(), "an even number");
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 0.0) {
            return refuse("rope_theta", self.rope_theta.to_string(), "a number above 0");
        }
        Ok(self)
    }

    /// Numbers in all weights.
    pub fn parameters(&self) -> i64 {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<i64>()).sum()
    }

    /// Name and shape of every weight, in network order.
    pub fn tensors(&self) -> Vec<(String, Vec<i64>)> {
        let hidden = self.hidden_size;
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden])];
        for layer in 0..self.num_hidden_layers {
            all.extend(crate::Linear::ALL.map(|linear| (linear.tensor_name(layer), linear.shape(self))));
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                all.push((format!("model.layers.{layer}.{norm}.weight"), vec![hidden]));
            }
        }
        all.push(("model.norm.weight".to_owned(), vec![hidden]));
        if !self.tie_word_embeddings {
            all.push(("lm_head.weight".to_owned(), vec![self.vocab_size, hidden]));
        }
        all
    }
}

/// The file, with only the keys that matter here; transformers writes many more.
#[derive(Deserialize)]
struct ConfigFile {
    model_type: String,
    hidden_size: i64,
    intermediate_size: i64,
    num_hidden_layers: i64,
    num_attention_heads: i64,
    num_key_value_heads: Option<i64>,
    head_dim: Option<i64>,
    vocab_size: i64,
    max_position_embeddings: i64,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_parameters: Option<RopeFile>,
    rope_scaling: Option<RopeFile>,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default = "silu")]
    hidden_act: String,
    bos_token_id: Option<i64>,
    eos_token_id: Option<serde_json::Value>,
    pad_token_id: Option<i64>,
}

fn silu() -> String {
    "silu".to_owned()
}

/// The value that Llama used before `rope_theta` was a key.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;

/// No size in a config is larger: contexts of ten million positions are the longest there are.
const LARGEST: i64 = 1 << 24;

/// The most decoder layers: a config that claims more is damaged.
const MOST_LAYERS: i64 = 1 << 12;

impl ConfigFile {
    fn resolve(self) -> Result<Config, LlamaErrorKind> {
        let refuse = |key, value: String, supported| Err(LlamaErrorKind::Unsupported { key, value, supported });
        if self.model_type != "llama" {
            return refuse("model_type", self.model_type, "llama");
        }
        if self.hidden_act != "silu" {
            return refuse("hidden_act", self.hidden_act, "silu");
        }
        if self.attention_bias {
            return refuse("attention_bias", "true".into(), "false");
        }
        if self.mlp_bias {
            return refuse("mlp_bias", "true".into(), "false");
        }
        let ropes = [self.rope_parameters, self.rope_scaling];
        let rope_scaling = RopeScaling::resolve(ropes.iter().flatten(), self.max_position_embeddings)?;
        let heads = self.num_attention_heads;
        let theta = ropes.iter().flatten().find_map(|rope| rope.rope_theta).or(self.rope_theta);
        let config = Config {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: self.num_key_value_heads.unwrap_or(heads),
            head_dim: self.head_dim.unwrap_or(self.hidden_size / heads.max(1)),
            vocab_size: self.vocab_size,
            max_position_embeddings: self.max_position_embeddings,
            rms_norm_eps: self.rms_norm_eps,
            rope_theta: theta.unwrap_or(DEFAULT_ROPE_THETA),
            rope_scaling,
            tie_word_embeddings: self.tie_word_embeddings,
            bos_token_id: self.bos_token_id,
            eos_token_ids: token_ids(self.eos_token_id)?,
            pad_token_id: self.pad_token_id,
        };
        config.checked()
    }
}

/// `eos_token_id` is a number, a list or null.
fn token_ids(value: Option<serde_json::Value>) -> Result<Vec<i64>, serde_json::Error> {
    match value {
        None | Some(serde_json::Value::Null) => Ok(Vec::new()),
        Some(list @ serde_json::Value::Array(_)) => serde_json::from_value(list),
        Some(one) => Ok(vec![serde_json::from_value(one)?]),
    }
}
