//! A Llama in GGUF: tensor names, metadata, and the order of the rows of q and k.

use super::{TensorType, Value};
use crate::{Config, Linear, RopeScaling};

/// What each rotary frequency is divided by: how llama.cpp learns of the scaling of Llama 3.1.
pub const ROPE_FACTORS: &str = "rope_freqs.weight";

/// `general.file_type` of a file whose linears are of type `kind`.
fn file_type(kind: TensorType) -> u32 {
    match kind {
        TensorType::F32 => 0,
        TensorType::F16 => 1,
        TensorType::Q4_0 => 2,
        TensorType::Q4_1 => 3,
        TensorType::Q8_0 => 7,
        TensorType::Bf16 => 32,
    }
}

/// Metadata of the network, whose linears are of type `kind`.
pub fn metadata(config: &Config, kind: TensorType) -> Vec<(String, Value)> {
    let count = |n: i64| Value::U32(n as u32);
    let mut all = vec![
        ("general.architecture", Value::String("llama".to_owned())),
        ("general.type", Value::String("model".to_owned())),
        ("general.file_type", Value::U32(file_type(kind))),
        ("general.quantization_version", Value::U32(2)),
        ("llama.vocab_size", count(config.vocab_size)),
        ("llama.context_length", count(config.max_position_embeddings)),
        ("llama.embedding_length", count(config.hidden_size)),
        ("llama.block_count", count(config.num_hidden_layers)),
        ("llama.feed_forward_length", count(config.intermediate_size)),
        ("llama.attention.head_count", count(config.num_attention_heads)),
        ("llama.attention.head_count_kv", count(config.num_key_value_heads)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(config.rms_norm_eps as f32)),
        ("llama.rope.freq_base", Value::F32(config.rope_theta as f32)),
        ("llama.rope.dimension_count", count(config.head_dim)),
    ];
    if config.head_dim * config.num_attention_heads != config.hidden_size {
        all.push(("llama.attention.key_length", count(config.head_dim)));
        all.push(("llama.attention.value_length", count(config.head_dim)));
    }
    if let RopeScaling::Linear { factor } = config.rope_scaling {
        all.push(("llama.rope.scaling.type", Value::String("linear".to_owned())));
        all.push(("llama.rope.scaling.factor", Value::F32(factor as f32)));
    }
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The values of [`ROPE_FACTORS`], for a model that needs it.
pub fn rope_factors(config: &Config) -> Option<Vec<f32>> {
    let RopeScaling::Llama3(_) = config.rope_scaling else { return None };
    let divisors = config.rope_scaling.divisors(config.head_dim, config.rope_theta)?;
    Some(divisors.into_iter().map(|divisor| divisor as f32).collect())
}

/// The name of a linear's weight.
pub fn linear_name(layer: i64, linear: Linear) -> String {
    let name = match linear {
        Linear::Q => "attn_q",
        Linear::K => "attn_k",
        Linear::V => "attn_v",
        Linear::O => "attn_output",
        Linear::Gate => "ffn_gate",
        Linear::Up => "ffn_up",
        Linear::Down => "ffn_down",
    };
    format!("blk.{layer}.{name}.weight")
}

/// The name of the tensor that Hugging Face calls `name`, when it is not a linear of a decoder layer.
pub fn plain_name(name: &str) -> Option<String> {
    let whole = match name {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => {
            let (layer, norm) = name.strip_prefix("model.layers.")?.split_once('.')?;
            let norm = match norm {
                "input_layernorm.weight" => "attn_norm",
                "post_attention_layernorm.weight" => "ffn_norm",
                _ => return None,
            };
            return Some(format!("blk.{layer}.{norm}.weight"));
        }
    };
    Some(whole.to_owned())
}

/// Which of a linear's rows, in torch's order, stands at each place.
///
/// Hugging Face rotates the first half of a head against the second, ggml rotates neighbours: rows of q and k are interleaved.
pub fn row_order(config: &Config, linear: Linear) -> Vec<usize> {
    let rows = linear.shape(config)[0] as usize;
    if !matches!(linear, Linear::Q | Linear::K) {
        return (0..rows).collect();
    }
    let head = config.head_dim as usize;
    (0..rows).map(|row| row / head * head + row % 2 * (head / 2) + row % head / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_each_head_of_q_and_k_are_interleaved() {
        let config = Config {
            hidden_size: 8,
            intermediate_size: 8,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 4,
            vocab_size: 8,
            max_position_embeddings: 8,
            rms_norm_eps: 1e-5,
            rope_theta: 1e4,
            rope_scaling: RopeScaling::Default,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
            pad_token_id: None,
        };
        assert_eq!(row_order(&config, Linear::Q), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(row_order(&config, Linear::K), [0, 2, 1, 3]);
        assert_eq!(row_order(&config, Linear::V), [0, 1, 2, 3]);
    }

    #[test]
    fn every_plain_tensor_has_a_name() {
        assert_eq!(plain_name("model.layers.3.input_layernorm.weight").unwrap(), "blk.3.attn_norm.weight");
        assert_eq!(plain_name("lm_head.weight").unwrap(), "output.weight");
        assert_eq!(plain_name("model.layers.3.self_attn.q_proj.weight"), None);
    }
}
