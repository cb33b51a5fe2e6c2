//! The seven linears of a decoder layer, and the four places where their inputs can be tapped.

use crate::config::Config;

/// A linear of a decoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linear {
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

/// Where an input of linears is seen. Linears with one tap share their input, so GPTQ needs one Hessian for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tap {
    /// Input of q, k and v: the normed residual stream.
    Attention,
    /// Input of o: the heads side by side.
    AttentionOutput,
    /// Input of gate and up: the normed residual stream.
    FeedForward,
    /// Input of down: the gated product.
    FeedForwardOutput,
}

impl Linear {
    /// All, in network order.
    pub const ALL: [Linear; 7] = [Linear::Q, Linear::K, Linear::V, Linear::O, Linear::Gate, Linear::Up, Linear::Down];

    /// Where its input is seen.
    pub fn tap(self) -> Tap {
        match self {
            Linear::Q | Linear::K | Linear::V => Tap::Attention,
            Linear::O => Tap::AttentionOutput,
            Linear::Gate | Linear::Up => Tap::FeedForward,
            Linear::Down => Tap::FeedForwardOutput,
        }
    }

    /// Its name in layer `layer`, without `.weight`: `model.layers.0.self_attn.q_proj`.
    pub fn module_name(self, layer: i64) -> String {
        let module = match self {
            Linear::Q => "self_attn.q_proj",
            Linear::K => "self_attn.k_proj",
            Linear::V => "self_attn.v_proj",
            Linear::O => "self_attn.o_proj",
            Linear::Gate => "mlp.gate_proj",
            Linear::Up => "mlp.up_proj",
            Linear::Down => "mlp.down_proj",
        };
        format!("model.layers.{layer}.{module}")
    }

    /// The name of its weight in layer `layer`.
    pub fn tensor_name(self, layer: i64) -> String {
        self.module_name(layer) + ".weight"
    }

    /// The shape of its weight, `[out, in]`.
    pub fn shape(self, config: &Config) -> Vec<i64> {
        let heads = config.num_attention_heads * config.head_dim;
        let kv_heads = config.num_key_value_heads * config.head_dim;
        match self {
            Linear::Q => vec![heads, config.hidden_size],
            Linear::K | Linear::V => vec![kv_heads, config.hidden_size],
            Linear::O => vec![config.hidden_size, heads],
            Linear::Gate | Linear::Up => vec![config.intermediate_size, config.hidden_size],
            Linear::Down => vec![config.hidden_size, config.intermediate_size],
        }
    }
}

impl Tap {
    /// All, in network order.
    pub const ALL: [Tap; 4] = [Tap::Attention, Tap::AttentionOutput, Tap::FeedForward, Tap::FeedForwardOutput];

    /// The linears fed by it.
    pub fn linears(self) -> impl Iterator<Item = Linear> {
        Linear::ALL.into_iter().filter(move |linear| linear.tap() == self)
    }
}
