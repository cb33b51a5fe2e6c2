//! The sizes of models.

use contract::StageError;
use llama::Config;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokens::Manifest;
use tokens::template::Special;

/// The size of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelSize {
    /// 0.1 M parameters beside the vocabulary's: for tests.
    Micro,
    /// 4.1 M parameters beside the vocabulary's: trains in minutes on two cores.
    Tiny,
    /// Sizes of your own.
    Custom(CustomSize),
}

/// Sizes of a Llama.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomSize {
    /// Width of the residual stream.
    #[schemars(range(min = 2, max = 16384))]
    pub hidden: u32,
    /// Width inside the feed-forward layers.
    #[schemars(range(min = 1, max = 65536))]
    pub intermediate: u32,
    /// Decoder layers.
    #[schemars(range(min = 1, max = 128))]
    pub layers: u32,
    /// Query heads; divides `hidden` into heads of even width.
    #[schemars(range(min = 1, max = 128))]
    pub heads: u32,
    /// Key and value heads; divides `heads`.
    #[schemars(range(min = 1, max = 128))]
    pub kv_heads: u32,
    /// Whether the head uses the embedding's weights.
    #[serde(default = "tied")]
    pub tie_embeddings: bool,
}

fn tied() -> bool {
    true
}

impl ModelSize {
    /// The whole config, with `vocab_size` tokens and positions up to `max_length`.
    pub fn config(&self, vocab_size: usize, max_length: u32) -> Result<Config, StageError> {
        let size = match self {
            ModelSize::Micro => {
                CustomSize { hidden: 64, intermediate: 128, layers: 2, heads: 4, kv_heads: 2, tie_embeddings: true }
            }
            ModelSize::Tiny => {
                CustomSize { hidden: 256, intermediate: 640, layers: 6, heads: 4, kv_heads: 2, tie_embeddings: true }
            }
            ModelSize::Custom(size) => size.clone(),
        };
        size.check()?;
        let config = Config {
            hidden_size: size.hidden.into(),
            intermediate_size: size.intermediate.into(),
            num_hidden_layers: size.layers.into(),
            num_attention_heads: size.heads.into(),
            num_key_value_heads: size.kv_heads.into(),
            head_dim: (size.hidden / size.heads).into(),
            vocab_size: vocab_size as i64,
            max_position_embeddings: max_length.into(),
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: llama::RopeScaling::Default,
            tie_word_embeddings: size.tie_embeddings,
            bos_token_id: Some(Special::BeginOfText.id().into()),
            eos_token_ids: vec![Special::EndOfTurn.id().into()],
            pad_token_id: Some(Special::Pad.id().into()),
        };
        config.checked().map_err(|kind| {
            StageError::invalid_input(format!("no such model can be trained on these tokens: {kind}"))
                .help("manifest.json of the tokens gives vocabulary and context; wire what `tokenize` made")
        })
    }
}

impl ModelSize {
    /// The whole config for the tokens that `manifest` describes: its vocabulary, its longest example and its special tokens.
    pub fn config_for(&self, manifest: &Manifest) -> Result<Config, StageError> {
        let config = self.config(manifest.vocab_size, manifest.max_length)?;
        Ok(Config {
            bos_token_id: manifest.bos.map(i64::from),
            eos_token_ids: manifest.stop.iter().map(|id| i64::from(*id)).collect(),
            pad_token_id: Some(manifest.pad.into()),
            ..config
        })
    }
}

impl CustomSize {
    fn check(&self) -> Result<(), StageError> {
        let CustomSize { hidden, heads, kv_heads, .. } = self;
        if hidden % (2 * heads) != 0 {
            let message = format!("model.custom: hidden {hidden} is not a multiple of 2 x heads ({heads})");
            return Err(StageError::invalid_input(message).help("heads must have an even width"));
        }
        if heads % kv_heads != 0 {
            return Err(StageError::invalid_input(format!(
                "model.custom: heads {heads} is not a multiple of kv_heads {kv_heads}"
            )));
        }
        Ok(())
    }
}
