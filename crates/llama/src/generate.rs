//! Greedy decoding of many prompts at once, with a key-value cache.
//!
//! Prompts of different lengths stay padded on the right: every row keeps its own position, writes its keys and values there
//! and sees only what lies at or before it. A row whose answer has ended is dropped from the batch.

use tch::{Kind, Tensor, no_grad};

use crate::model::Llama;
use crate::placement::Placement;

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
        let mut rows: Vec<Row> = prompts.iter().enumerate().map(|(prompt, ids)| Row::new(prompt, ids.len())).collect();
        let mut answers = vec![Completion { tokens: Vec::new(), end: End::Length }; prompts.len()];
        let last: Vec<i64> = rows.iter().map(|row| row.position).collect();
        let (logits, mut caches) = self.prefill(prompts, &last, (longest + budget) as i64);
        let mut next = argmax(&logits);
        for _ in 0..budget {
            let goes_on: Vec<bool> = next.iter().map(|token| !limits.stop.contains(token)).collect();
            for (row, _) in rows.iter().zip(&goes_on).filter(|(_, goes_on)| !**goes_on) {
                answers[row.prompt].end = End::Stop;
            }
            if goes_on.contains(&false) {
                keep(&goes_on, &mut rows, &mut next, &mut caches, self.placement);
            }
            if rows.is_empty() {
                return answers;
            }
            for (row, token) in rows.iter_mut().zip(&next) {
                answers[row.prompt].tokens.push(*token);
                row.position += 1;
            }
            let positions: Vec<i64> = rows.iter().map(|row| row.position).collect();
            next = argmax(&self.step(&next, &positions, &mut caches));
        }
        for (row, _) in rows.iter().zip(&next).filter(|(_, token)| limits.stop.contains(token)) {
            answers[row.prompt].end = End::Stop;
        }
        answers
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
        let longest = positions.iter().max().map_or(0, |position| position + 1);
        let positions = self.placement.integers(positions);
        let angles = self.rotary.at(&positions);
        let mut x = self.embed(&self.placement.integers(tokens).unsqueeze(1));
        for (block, cache) in self.blocks.iter().zip(caches) {
            cache.seek(&positions, longest);
            x = block.decode(&x, &angles, cache);
        }
        self.head(&x.squeeze_dim(1))
    }
}

/// A prompt whose answer goes on.
struct Row {
    prompt: usize,
    /// Where its newest token stands.
    position: i64,
}

impl Row {
    fn new(prompt: usize, length: usize) -> Row {
        Row { prompt, position: length as i64 - 1 }
    }
}

/// Keeps the rows that go on: an answer that has ended takes no more time, nor memory.
fn keep(goes_on: &[bool], rows: &mut Vec<Row>, next: &mut Vec<i64>, caches: &mut [LayerCache], placement: Placement) {
    let kept: Vec<i64> = (0..).zip(goes_on).filter(|(_, goes_on)| **goes_on).map(|(row, _)| row).collect();
    let mut row_goes_on = goes_on.iter();
    rows.retain(|_| row_goes_on.next() == Some(&true));
    let mut token_goes_on = goes_on.iter();
    next.retain(|_| token_goes_on.next() == Some(&true));
    let index = placement.integers(&kept);
    caches.iter_mut().for_each(|cache| cache.keep(&index));
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
    /// Positions that at least one row has seen.
    longest: i64,
    /// The attention mask of each row: `[batch, 1, 1, longest]`.
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
        LayerCache { keys: grow(k), values: grow(v), at: Tensor::new(), longest: 0, seen: Tensor::new() }
    }

    fn keep(&mut self, rows: &Tensor) {
        self.keys = self.keys.index_select(0, rows);
        self.values = self.values.index_select(0, rows);
    }

    fn seek(&mut self, positions: &Tensor, longest: i64) {
        self.at = positions.view([-1, 1, 1, 1]);
        self.longest = longest;
        let all = Tensor::arange(longest, (Kind::Int64, positions.device())).view([1, 1, 1, longest]);
        self.seen = all.le_tensor(&self.at);
    }

    /// Stores `k` and `v` of one new token per row, then attends from `q` to all that the row has seen.
    pub(crate) fn attend(&mut self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let index = self.at.expand_as(k);
        let _ = self.keys.scatter_(2, &index, k);
        let _ = self.values.scatter_(2, &index, v);
        let (keys, values) = (self.keys.narrow(2, 0, self.longest), self.values.narrow(2, 0, self.longest));
        let (size, kv_heads) = (q.size(), k.size()[1]);
        // The heads that share keys stand where positions stand, so that no key is copied for each of them.
        let q = q.reshape([size[0], kv_heads, size[1] / kv_heads, size[3]]);
        let seen = Some(&self.seen);
        Tensor::scaled_dot_product_attention(&q, &keys, &values, seen, 0.0, false, None, false).reshape(&size[..])
    }
}
