//! One decoder layer.

use formats::{Config, Linear, Tap};
use tch::Tensor;

use crate::generate::LayerCache;
use crate::projection::Projection;
use crate::rotary::Angles;

/// Weights of one decoder layer.
#[derive(Debug)]
pub struct Block {
    /// Norm before attention.
    pub input_layernorm: Tensor,
    /// Norm before the feed-forward layer.
    pub post_attention_layernorm: Tensor,
    /// In the order of [`Linear::ALL`].
    linears: [Projection; 7],
    heads: i64,
    kv_heads: i64,
    head_dim: i64,
    eps: f64,
}

impl Block {
    /// A layer with these weights; `linears` in the order of [`Linear::ALL`].
    pub(crate) fn new(config: &Config, norms: [Tensor; 2], linears: [Tensor; 7]) -> Block {
        let [input_layernorm, post_attention_layernorm] = norms;
        Block {
            input_layernorm,
            post_attention_layernorm,
            linears: linears.map(Projection::new),
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            eps: config.rms_norm_eps,
        }
    }

    /// The weight of `linear`, `[out, in]`.
    pub fn weight(&self, linear: Linear) -> &Tensor {
        &self.linear(linear).base
    }

    /// Replaces the weight of `linear`.
    pub fn set_weight(&mut self, linear: Linear, weight: Tensor) {
        debug_assert_eq!(weight.size(), self.weight(linear).size());
        self.linears[linear as usize].base = weight;
    }

    /// Every weight, the linears first, in the order of `Config::tensors`.
    pub(crate) fn tensors_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        let norms = [&mut self.input_layernorm, &mut self.post_attention_layernorm];
        self.linears.iter_mut().map(|linear| &mut linear.base).chain(norms)
    }

    /// Its linears, in the order of [`Linear::ALL`].
    pub(crate) fn linears_mut(&mut self) -> &mut [Projection; 7] {
        &mut self.linears
    }

    pub(crate) fn linear(&self, linear: Linear) -> &Projection {
        &self.linears[linear as usize]
    }

    /// The layer's output for `x` `[batch, time, hidden]`.
    pub fn forward(&self, x: &Tensor, angles: &Angles) -> Tensor {
        self.forward_tapped(x, angles, &mut |_, _| {})
    }

    /// As [`Block::forward`]; `tap` sees the input of each group of linears, `[batch, time, features]`.
    pub fn forward_tapped(&self, x: &Tensor, angles: &Angles, tap: &mut dyn FnMut(Tap, &Tensor)) -> Tensor {
        let normed = self.norm(x, &self.input_layernorm);
        tap(Tap::Attention, &normed);
        let (q, k, v) = self.attention_inputs(&normed, angles);
        let heads = self.attend(&q, &k, &v);
        tap(Tap::AttentionOutput, &heads);
        let x = x + self.linear(Linear::O).project(&heads);
        self.feed_forward(&x, tap)
    }

    /// As [`Block::forward`], but only for the rows `rows` of the flattened batch: `[rows, hidden]`. What the last layer gives
    /// elsewhere is often thrown away.
    pub fn forward_rows(&self, x: &Tensor, angles: &Angles, rows: &Tensor) -> Tensor {
        let (q, k, v) = self.attention_inputs(&self.norm(x, &self.input_layernorm), angles);
        let pick = |whole: &Tensor| whole.flatten(0, 1).index_select(0, rows);
        let x = pick(x) + self.linear(Linear::O).project(&pick(&self.attend(&q, &k, &v)));
        self.feed_forward(&x, &mut |_, _| {})
    }

    /// One new token per row: `x` is `[batch, 1, hidden]`; keys and values go into `cache` at each row's position.
    pub(crate) fn decode(&self, x: &Tensor, angles: &Angles, cache: &mut LayerCache) -> Tensor {
        let (q, k, v) = self.attention_inputs(&self.norm(x, &self.input_layernorm), angles);
        let heads = cache.attend(&q, &k, &v);
        let x = x + self.linear(Linear::O).project(&merge(&heads));
        self.feed_forward(&x, &mut |_, _| {})
    }

    /// As [`Block::forward`], keeping keys and values `[batch, kv_heads, time, head_dim]`.
    pub(crate) fn prefill(&self, x: &Tensor, angles: &Angles) -> (Tensor, Tensor, Tensor) {
        let (q, k, v) = self.attention_inputs(&self.norm(x, &self.input_layernorm), angles);
        let x = x + self.linear(Linear::O).project(&self.attend(&q, &k, &v));
        (self.feed_forward(&x, &mut |_, _| {}), k, v)
    }

    /// Queries, keys and values, each `[batch, heads, time, head_dim]`.
    pub(crate) fn attention_inputs(&self, normed: &Tensor, angles: &Angles) -> (Tensor, Tensor, Tensor) {
        let split = |linear, heads| {
            let y = self.linear(linear).project(normed);
            let (batch, time) = (y.size()[0], y.size()[1]);
            y.view([batch, time, heads, self.head_dim]).transpose(1, 2)
        };
        let q = angles.rotate(&split(Linear::Q, self.heads));
        let k = angles.rotate(&split(Linear::K, self.kv_heads));
        (q, k, split(Linear::V, self.kv_heads))
    }

    /// Causal attention, heads side by side: `[batch, time, heads * head_dim]`.
    pub(crate) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let times = self.heads / self.kv_heads;
        let (k, v) = (spread(k, times), spread(v, times));
        merge(&Tensor::scaled_dot_product_attention(q, &k, &v, None::<Tensor>, 0.0, true, None, false))
    }

    fn feed_forward(&self, x: &Tensor, tap: &mut dyn FnMut(Tap, &Tensor)) -> Tensor {
        let normed = self.norm(x, &self.post_attention_layernorm);
        tap(Tap::FeedForward, &normed);
        let gate = self.linear(Linear::Gate).project(&normed).silu();
        let product = gate * self.linear(Linear::Up).project(&normed);
        tap(Tap::FeedForwardOutput, &product);
        x + self.linear(Linear::Down).project(&product)
    }

    pub(crate) fn norm(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        rms_norm(x, weight, self.eps)
    }
}

/// Root-mean-square norm over the last dimension.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    x.rms_norm(weight.size(), Some(weight.to_kind(x.kind())), eps)
}

/// `[batch, kv_heads, time, dim]` to `[batch, kv_heads * times, time, dim]`, each head `times` times in a row.
fn spread(x: &Tensor, times: i64) -> Tensor {
    if times == 1 { x.shallow_clone() } else { x.repeat_interleave_self_int(times, 1, None) }
}

/// `[batch, heads, time, dim]` to `[batch, time, heads * dim]`.
fn merge(heads: &Tensor) -> Tensor {
    let size = heads.size();
    heads.transpose(1, 2).reshape([size[0], size[2], size[1] * size[3]])
}
