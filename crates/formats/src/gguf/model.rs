//! A GGUF file as the source of a Llama: its config, and its weights under their Hugging Face names.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::llama::{ROPE_FACTORS, linear_name, plain_name, row_order};
use super::{GgufError, GgufErrorKind, GgufFile, Value};
use crate::rope::{Llama3Scaling, RopeScaling};
use crate::{Config, Linear, LlamaError, LlamaErrorKind};

/// A Llama in a GGUF file; tensors are read when they are asked for.
#[derive(Debug)]
pub struct GgufModel {
    /// The container.
    pub file: GgufFile,
    /// The shape, from its metadata.
    pub config: Config,
    /// The linears by their Hugging Face names.
    linears: HashMap<String, (i64, Linear)>,
}

impl GgufModel {
    /// Opens `path` and refuses what is not a Llama of this code, tensors that would be left out included.
    pub fn open(path: &Path) -> Result<GgufModel, LlamaError> {
        let open = || -> Result<GgufModel, LlamaErrorKind> {
            let file = GgufFile::open(path).map_err(|error| error.kind)?;
            let config = Metadata { file: &file }.config()?;
            let layers = 0..config.num_hidden_layers;
            let linears: HashMap<_, _> = layers
                .flat_map(|layer| Linear::ALL.map(|linear| (linear.tensor_name(layer), (layer, linear))))
                .collect();
            let model = GgufModel { file, config, linears };
            model.refuse_strangers()?;
            Ok(model)
        };
        open().map_err(LlamaError::at(path))
    }

    /// The values of the tensor that Hugging Face calls `name`, row by row; an error unless it has `shape`.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Result<Vec<f32>, LlamaErrorKind> {
        let stored = self.stored_name(name).ok_or_else(|| LlamaErrorKind::Missing(name.to_owned()))?;
        let info = self.file.tensors().find(|info| info.name == stored);
        let info = info.ok_or_else(|| LlamaErrorKind::Missing(stored.clone()))?;
        let found: Vec<i64> = info.shape.iter().map(|size| *size as i64).collect();
        if found != shape {
            return Err(LlamaErrorKind::Shape { name: stored, found, expected: shape.to_vec() });
        }
        let values = self.file.tensor(&stored)?;
        Ok(match self.linears.get(name) {
            Some((_, linear @ (Linear::Q | Linear::K))) => in_torch_order(&self.config, *linear, &values),
            _ => values,
        })
    }

    fn stored_name(&self, name: &str) -> Option<String> {
        match self.linears.get(name) {
            Some((layer, linear)) => Some(linear_name(*layer, *linear)),
            None => plain_name(name),
        }
    }

    fn refuse_strangers(&self) -> Result<(), LlamaErrorKind> {
        let names = self.config.tensors();
        let mut known: HashSet<String> = names.iter().filter_map(|(name, _)| self.stored_name(name)).collect();
        known.insert(ROPE_FACTORS.to_owned());
        let mut strangers = self.file.tensors().map(|info| &info.name).filter(|name| !known.contains(*name));
        match strangers.next() {
            None => Ok(()),
            Some(first) => Err(LlamaErrorKind::Strangers { first: first.clone(), count: 1 + strangers.count() }),
        }
    }
}

/// Rows of q or k in the order of Hugging Face checkpoints.
fn in_torch_order(config: &Config, linear: Linear, stored: &[f32]) -> Vec<f32> {
    let order = row_order(config, linear);
    let columns = stored.len() / order.len();
    let mut values = vec![0.0; stored.len()];
    for (row, stored) in order.into_iter().zip(stored.chunks_exact(columns)) {
        values[row * columns..][..columns].copy_from_slice(stored);
    }
    values
}

/// The keys that say what the network is.
struct Metadata<'a> {
    file: &'a GgufFile,
}

impl Metadata<'_> {
    fn config(&self) -> Result<Config, LlamaErrorKind> {
        match self.file.value("general.architecture").and_then(Value::text) {
            Some("llama") => {}
            other => return refuse("general.architecture", other.unwrap_or("absent"), "llama"),
        }
        if self.optional("llama.expert_count")?.is_some_and(|experts| experts > 0) {
            return refuse("llama.expert_count", "above 0", "0");
        }
        let heads = self.integer("llama.attention.head_count")?;
        let hidden_size = self.integer("llama.embedding_length")?;
        let kv_heads = self.optional("llama.attention.head_count_kv")?.unwrap_or(heads);
        if heads < 1 || kv_heads < 1 || heads % kv_heads != 0 {
            let value = format!("{kv_heads} for {heads} heads");
            return refuse("llama.attention.head_count_kv", &value, "a divisor of head_count");
        }
        let head_dim = self.optional("llama.attention.key_length")?.unwrap_or(hidden_size / heads);
        let rotated = self.optional("llama.rope.dimension_count")?.unwrap_or(head_dim);
        if rotated != head_dim
            || self.optional("llama.attention.value_length")?.is_some_and(|length| length != head_dim)
        {
            return refuse("llama.rope.dimension_count", &rotated.to_string(), "the length of keys and values");
        }
        let rope_theta = self.number("llama.rope.freq_base")?.unwrap_or(10_000.0);
        let embedding = self.file.tensors().find(|info| info.name == "token_embd.weight");
        let embedding = embedding.ok_or_else(|| LlamaErrorKind::Missing("token_embd.weight".to_owned()))?;
        let config = Config {
            hidden_size,
            intermediate_size: self.integer("llama.feed_forward_length")?,
            num_hidden_layers: self.integer("llama.block_count")?,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            vocab_size: embedding.shape.first().map_or(0, |rows| *rows as i64),
            max_position_embeddings: self.integer("llama.context_length")?,
            rms_norm_eps: self.number("llama.attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            rope_theta,
            rope_scaling: self.rope_scaling(head_dim, rope_theta)?,
            tie_word_embeddings: !self.file.tensors().any(|info| info.name == "output.weight"),
            bos_token_id: self.optional("tokenizer.ggml.bos_token_id")?,
            eos_token_ids: self.end_tokens()?,
            pad_token_id: self.optional("tokenizer.ggml.padding_token_id")?,
        };
        config.checked()
    }

    /// The token that ends a text, and the one that ends a turn where that is another.
    fn end_tokens(&self) -> Result<Vec<i64>, LlamaErrorKind> {
        let mut ids = Vec::new();
        for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
            ids.extend(self.optional(key)?.filter(|id| !ids.contains(id)));
        }
        Ok(ids)
    }

    fn rope_scaling(&self, head_dim: i64, theta: f64) -> Result<RopeScaling, LlamaErrorKind> {
        if self.file.tensors().any(|info| info.name == ROPE_FACTORS) {
            return llama3_of(&self.file.tensor(ROPE_FACTORS)?, head_dim, theta);
        }
        match self.file.value("llama.rope.scaling.type").and_then(Value::text) {
            None | Some("none") => Ok(RopeScaling::Default),
            Some("linear") => match self.number("llama.rope.scaling.factor")? {
                Some(factor) if factor.is_finite() && factor > 0.0 => Ok(RopeScaling::Linear { factor }),
                other => refuse("llama.rope.scaling.factor", &format!("{other:?}"), "a number above 0"),
            },
            Some(other) => refuse("llama.rope.scaling.type", other, "none or linear"),
        }
    }

    fn integer(&self, key: &'static str) -> Result<i64, LlamaErrorKind> {
        self.optional(key)?.map_or_else(|| refuse(key, "absent", "a number"), Ok)
    }

    fn optional(&self, key: &'static str) -> Result<Option<i64>, LlamaErrorKind> {
        let Some(value) = self.file.value(key) else { return Ok(None) };
        value.integer().map_or_else(|| refuse(key, "of another type", "one whole number"), |value| Ok(Some(value)))
    }

    fn number(&self, key: &'static str) -> Result<Option<f64>, LlamaErrorKind> {
        let Some(value) = self.file.value(key) else { return Ok(None) };
        value.number().map_or_else(|| refuse(key, "of another type", "one number"), |value| Ok(Some(value)))
    }
}

fn refuse<T>(key: &'static str, value: &str, supported: &'static str) -> Result<T, LlamaErrorKind> {
    Err(LlamaErrorKind::Unsupported { key, value: value.to_owned(), supported })
}

/// The scaling of Llama 3.1 or 3.2 that gives `factors`: a file holds what comes of the settings and not the settings.
fn llama3_of(factors: &[f32], head_dim: i64, theta: f64) -> Result<RopeScaling, LlamaErrorKind> {
    let fits = |scaling: &RopeScaling| {
        if factors.len() as i64 != head_dim / 2 {
            return false;
        }
        let expected = scaling.divisors(head_dim, theta).unwrap_or_default();
        let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() <= 1e-4 * b;
        factors.iter().zip(&expected).all(near)
    };
    let known = [8.0, 32.0].map(|factor| {
        RopeScaling::Llama3(Llama3Scaling {
            factor,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        })
    });
    let found = known.into_iter().find(fits);
    found.map_or_else(|| refuse(ROPE_FACTORS, "of another scaling", "that of Llama 3.1 or 3.2"), Ok)
}

impl From<GgufErrorKind> for LlamaErrorKind {
    fn from(kind: GgufErrorKind) -> LlamaErrorKind {
        LlamaErrorKind::Gguf(Box::new(kind))
    }
}

impl From<GgufError> for LlamaError {
    fn from(error: GgufError) -> LlamaError {
        LlamaError { path: error.path, kind: error.kind.into() }
    }
}
