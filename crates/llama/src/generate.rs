//! Decoding of many prompts at once, greedy or sampled, with a key-value cache, of any tokens or of those that a mask lets through.
//!
//! Prompts of different lengths stay padded on the right: every row keeps its own position, writes its keys and values there
//! and sees only what lies at or before it. A row whose answer has ended is dropped from the batch.

use grammar::Mask;
use tch::{Kind, Tensor, no_grad};

use crate::model::Llama;
use crate::placement::Placement;
use crate::sampling::{Draws, Sampling};

/// When to stop.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Tokens to write at most, for each prompt.
    pub max_new_tokens: usize,
    /// Tokens that end an answer; they are not part of it.
    pub stop: Vec<i64>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The tokens written, without the stop token.
    pub tokens: Vec<i64>,
    /// Why it ended.
    pub end: End,
    /// The smallest probability that the model gave, before any mask, to one of the tokens, the stop token included.
    pub confidence: f64,
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
        no_grad(|| self.decode(prompts, limits, &mut [], None))
    }

    /// The same among the tokens that masks let through, one mask for each prompt. Where a mask lets nothing through, the answer is cut.
    pub fn generate_within(
        &self,
        prompts: &[Vec<i64>],
        limits: &Limits,
        masks: &mut [Box<dyn Mask + '_>],
    ) -> Vec<Completion> {
        assert_eq!(prompts.len(), masks.len(), "a mask for each prompt");
        no_grad(|| self.decode(prompts, limits, masks, None))
    }

    /// Writes a continuation of each prompt whose tokens are drawn, of those that its mask lets through where there are masks. The
    /// answer to a prompt depends on the seed and on the prompt, not on those beside it; prompts that are equal have equal answers.
    pub fn generate_sampled(
        &self,
        prompts: &[Vec<i64>],
        limits: &Limits,
        masks: &mut [Box<dyn Mask + '_>],
        (sampling, seed): (Sampling, u64),
    ) -> Vec<Completion> {
        assert!(masks.is_empty() || prompts.len() == masks.len(), "a mask for each prompt, or none");
        no_grad(|| self.decode(prompts, limits, masks, Some(Draws::new(sampling, seed, prompts))))
    }

    fn decode(
        &self,
        prompts: &[Vec<i64>],
        limits: &Limits,
        masks: &mut [Box<dyn Mask + '_>],
        mut draws: Option<Draws>,
    ) -> Vec<Completion> {
        let Some(longest) = prompts.iter().map(Vec::len).max() else { return Vec::new() };
        let room = (self.config.max_position_embeddings as usize).saturating_sub(longest);
        let budget = limits.max_new_tokens.min(room);
        let mut rows: Vec<Row> = prompts.iter().enumerate().map(|(prompt, ids)| Row::new(prompt, ids.len())).collect();
        let cut = Completion { tokens: Vec::new(), end: End::Length, confidence: 1.0 };
        let mut answers = vec![cut; prompts.len()];
        let last: Vec<i64> = rows.iter().map(|row| row.position).collect();
        let (mut logits, mut caches) = self.prefill(prompts, &last, (longest + budget) as i64);
        // One step more than tokens: the token that ends an answer is not one of them.
        for left in (0..=budget).rev() {
            let next = self.choose(&logits, &rows, (limits, left), masks, draws.as_mut());
            let mut goes_on = Vec::new();
            for (row, choice) in rows.iter().zip(&next) {
                let answer = &mut answers[row.prompt];
                let stops = choice.as_ref().is_some_and(|choice| limits.stop.contains(&choice.token));
                goes_on.push(choice.is_some() && !stops && left > 0);
                // A token for which there is no room is not written, and tells nothing.
                if let Some(choice) = choice.as_ref().filter(|_| stops || left > 0) {
                    answer.confidence = answer.confidence.min(choice.probability);
                }
                if stops {
                    answer.end = End::Stop;
                }
            }
            let mut next: Vec<i64> =
                next.iter().map(|choice| choice.as_ref().map_or(0, |choice| choice.token)).collect();
            if goes_on.contains(&false) {
                keep(&goes_on, &mut rows, &mut next, &mut caches, self.placement);
            }
            if rows.is_empty() {
                return answers;
            }
            for (row, token) in rows.iter_mut().zip(&next) {
                answers[row.prompt].tokens.push(*token);
                row.position += 1;
                if let Some(mask) = masks.get_mut(row.prompt) {
                    mask.push(*token);
                }
            }
            let positions: Vec<i64> = rows.iter().map(|row| row.position).collect();
            logits = self.step(&next, &positions, &mut caches);
        }
        answers
    }

    /// The next token of each row, the likeliest or a drawn one; none where its mask lets none through.
    fn choose(
        &self,
        logits: &Tensor,
        rows: &[Row],
        (limits, left): (&Limits, usize),
        masks: &mut [Box<dyn Mask + '_>],
        draws: Option<&mut Draws>,
    ) -> Vec<Option<Choice>> {
        let logits = logits.to_kind(Kind::Float);
        let vocabulary = logits.size()[1] as usize;
        let mut open = vec![true; rows.len()];
        let held = if masks.is_empty() {
            logits.shallow_clone()
        } else {
            let mut allowed = vec![false; rows.len() * vocabulary];
            for (place, (row, allowed)) in rows.iter().zip(allowed.chunks_mut(vocabulary)).enumerate() {
                let mask = &mut masks[row.prompt];
                mask.mark(left, allowed);
                for stop in limits.stop.iter().filter(|_| mask.may_end()) {
                    allowed[*stop as usize] = true;
                }
                open[place] = allowed.contains(&true);
            }
            let refused = self.placement.booleans(&allowed).view(&logits.size()[..]).logical_not();
            logits.masked_fill(&refused, f64::NEG_INFINITY)
        };
        let tokens = match draws {
            None => held.argmax(-1, false),
            Some(draws) => {
                let held: Vec<f32> = Vec::try_from(held.flatten(0, 1)).expect("rows of numbers");
                let rows = rows.iter().zip(held.chunks(vocabulary));
                let drawn: Vec<Option<usize>> = rows.map(|(row, logits)| draws.draw(row.prompt, logits)).collect();
                open.iter_mut().zip(&drawn).for_each(|(open, drawn)| *open &= drawn.is_some());
                self.placement.integers(&drawn.iter().map(|token| token.unwrap_or(0) as i64).collect::<Vec<_>>())
            }
        };
        let log = logits.gather(1, &tokens.unsqueeze(1), false).squeeze_dim(1) - logits.logsumexp([1_i64], false);
        let tokens: Vec<i64> = Vec::try_from(tokens).expect("a row of integers");
        let probabilities: Vec<f64> = Vec::try_from(log.exp().to_kind(Kind::Double)).expect("a row of numbers");
        let choices = tokens.into_iter().zip(probabilities).map(|(token, probability)| Choice { token, probability });
        choices.zip(open).map(|(choice, open)| open.then_some(choice)).collect()
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

/// A token that is chosen.
struct Choice {
    token: i64,
    /// What the model gave it, before any mask.
    probability: f64,
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
