//! Greedy decoding of many prompts at once, with a key-value cache.
//!
//! Prompts of different lengths stay padded on the right: every row keeps its own position, writes its keys and values there
//! and sees only what lies at or before it.

use tch::{Kind, Tensor, no_grad};

use crate::block::spread;
use crate::model::Llama;

/// When to stop.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Tokens to write at most, for each prompt.
    pub max_new_tokens: usize,
    /// Tokens that end an answer; they are not part of it.
    pub stop: Vec<i64>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The tokens written, without the stop token.
    pub tokens: Vec<i64>,
    /// Why it ended.
    pub end: End,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The model wrote a stop token.
    Stop,
    /// `max_new_tokens`, or the model's last position, was reached.
    Length,
}

impl Llama {
    /// Writes the likeliest continuation of each prompt. Prompts must not be empty nor longer than the model's positions.
    pub fn generate(&self, prompts: &[Vec<i64>], limits: &Limits) -> Vec<Completion> {
        no_grad(|| self.decode_greedily(prompts, limits))
    }

    fn decode_greedily(&self, prompts: &[Vec<i64>], limits: &Limits) -> Vec<Completion> {
        let Some(longest) = prompts.iter().map(Vec::len).max() else { return Vec::new() };
        let room = (self.config.max_position_embeddings as usize).saturating_sub(longest);
        let budget = limits.max_new_tokens.min(room);
        let mut positions: Vec<i64> = prompts.iter().map(|p| p.len() as i64 - 1).collect();
        let (logits, mut caches) = self.prefill(prompts, &positions, (longest + budget) as i64);
        let mut next: Vec<i64> = argmax(&logits);
        let mut tokens = vec![Vec::new(); prompts.len()];
        let mut ends: Vec<Option<End>> = vec![None; prompts.len()];
        for step in 0..=budget {
            for (row, token) in next.iter().enumerate().filter(|(row, _)| ends[*row].is_none()).collect::<Vec<_>>() {
                if limits.stop.contains(token) {
                    ends[row] = Some(End::Stop);
                } else if step == budget {
                    ends[row] = Some(End::Length);
                } else {
                    tokens[row].push(*token);
                }
            }
            if ends.iter().all(Option::is_some) {
                break;
            }
            positions.iter_mut().for_each(|position| *position += 1);
            next = argmax(&self.step(&next, &positions, &mut caches));
        }
        tokens
            .into_iter()
            .zip(ends)
            .map(|(tokens, end)| Completion { tokens, end: end.unwrap_or(End::Length) })
            .collect()
    }

    /// Logits `[batch, vocabulary]` after each prompt's last token, and filled caches with room for `capacity` positions.
    fn prefill(&self, prompts: &[Vec<i64>], last: &[i64], capacity: i64) -> (Tensor, Vec<LayerCache>) {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let padded: Vec<i64> =
            prompts.iter().flat_map(|p| p.iter().copied().chain(std::iter::repeat_n(0, longest - p.len()))).collect();
        let ids = self.placement.integers(&padded).view([prompts.len() as i64, longest as i64]);
        let angles = self.rotary.first(longest as i64);
        let mut x = self.embed(&ids);
        let mut caches = Vec::new();
        for block in &self.blocks {
            let (y, k, v) = block.prefill(&x, &angles);
            caches.push(LayerCache::new(&k, &v, capacity));
            x = y;
        }
        let rows = Tensor::arange(prompts.len() as i64, (Kind::Int64, self.placement.device)) * longest as i64;
        let picked = x.flatten(0, 1).index_select(0, &(rows + self.placement.integers(last)));
        (self.head(&picked), caches)
    }

    fn step(&self, tokens: &[i64], positions: &[i64], caches: &mut [LayerCache]) -> Tensor {
        let positions = self.placement.integers(positions);
        let angles = self.rotary.at(&positions);
        let mut x = self.embed(&self.placement.integers(tokens).unsqueeze(1));
        for (block, cache) in self.blocks.iter().zip(caches) {
            cache.seek(&positions);
            x = block.decode(&x, &angles, cache);
        }
        self.head(&x.squeeze_dim(1))
    }
}

fn argmax(logits: &Tensor) -> Vec<i64> {
    Vec::try_from(logits.argmax(-1, false)).expect("argmax gives a row of integers")
}

/// Keys and values of one layer, `[batch, kv_heads, capacity, head_dim]`.
pub(crate) struct LayerCache {
    keys: Tensor,
    values: Tensor,
    /// Where each row writes next: `[batch, 1, 1, 1]`.
    at: Tensor,
    /// The attention mask of each row: `[batch, 1, 1, capacity]`.
    seen: Tensor,
}

impl LayerCache {
    fn new(k: &Tensor, v: &Tensor, capacity: i64) -> LayerCache {
        let grow = |x: &Tensor| {
            let size = x.size();
            let whole = x.new_zeros([size[0], size[1], capacity, size[3]], (x.kind(), x.device()));
            whole.narrow(2, 0, size[2]).copy_(x);
            whole
        };
        LayerCache { keys: grow(k), values: grow(v), at: Tensor::new(), seen: Tensor::new() }
    }

    fn seek(&mut self, positions: &Tensor) {
        let capacity = self.keys.size()[2];
        self.at = positions.view([-1, 1, 1, 1]);
        self.seen =
            Tensor::arange(capacity, (Kind::Int64, positions.device())).view([1, 1, 1, capacity]).le_tensor(&self.at);
    }

    /// Stores `k` and `v` of one new token per row, then attends from `q` to all that the row has seen.
    pub(crate) fn attend(&mut self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let index = self.at.expand_as(k);
        let _ = self.keys.scatter_(2, &index, k);
        let _ = self.values.scatter_(2, &index, v);
        let times = q.size()[1] / k.size()[1];
        let (keys, values) = (spread(&self.keys, times), spread(&self.values, times));
        Tensor::scaled_dot_product_attention(q, &keys, &values, Some(&self.seen), 0.0, false, None, false)
    }
}
