//! Examples as tensors, and their loss.
//!
//! Two kinds of work are left undone because nobody would look at it: examples of like length share a micro-batch, so little
//! padding is computed, and the end of the last layer and the head see only the positions whose next token is a target.

use std::ops::ControlFlow;

use draws::mix;
use llama::dropout::{Dropping, Rows};
use llama::{Dropout, Llama, Placement};
use tch::{Kind, Tensor, no_grad};
use tokens::EncodedSplit;
use tokens::chat::IGNORED;
use tokens::template::Special;

use crate::loss;
use crate::parameters::Parameters;

/// Some examples, padded on the right to the longest.
#[derive(Debug)]
pub struct MicroBatch {
    /// Their indices in the split.
    examples: Vec<usize>,
    /// `[examples, time]`.
    ids: Tensor,
    /// Positions in the flattened batch whose next token is a target.
    positions: Tensor,
    /// Those next tokens.
    targets: Tensor,
}

/// The micro-batches of one step.
#[derive(Debug)]
pub struct Batch {
    /// Longest examples first, so that a lack of memory shows at once.
    pub parts: Vec<MicroBatch>,
    /// Target tokens in all of them.
    pub targets: usize,
    /// Tokens in all of them, without padding.
    pub tokens: usize,
}

/// What is dropped at one step.
#[derive(Debug)]
pub struct Dropped<'a> {
    dropout: &'a Dropout,
    key: u64,
}

impl<'a> Dropped<'a> {
    /// At `step` of a training with `seed`.
    pub fn new(dropout: &'a Dropout, seed: u64, step: u64) -> Dropped<'a> {
        Dropped { dropout, key: mix(seed).wrapping_add(step) }
    }

    fn on(&self, part: &MicroBatch) -> Dropping<'a> {
        let keys = part.examples.iter().map(|example| mix(mix(self.key) ^ *example as u64)).collect();
        let picked = Vec::try_from(&part.positions).expect("positions are whole numbers in a row");
        self.dropout.on(Rows { keys, time: part.ids.size()[1] as usize, picked })
    }
}

impl Batch {
    /// Examples `indices` of `split`, at most `size` in a micro-batch, for a model at `placement`.
    pub fn new(split: &EncodedSplit, indices: &[usize], size: usize, placement: Placement) -> Batch {
        let mut order = indices.to_vec();
        order.sort_by_key(|index| std::cmp::Reverse(split.ids(*index).len()));
        let parts: Vec<_> = order.chunks(size).map(|chunk| MicroBatch::new(split, chunk, placement)).collect();
        let targets = parts.iter().map(|part| part.targets.numel()).sum();
        Batch { parts, targets, tokens: indices.iter().map(|index| split.ids(*index).len()).sum() }
    }

    /// Mean loss over all targets; its gradient, the same however the batch is cut, becomes that of `parameters`. `stop` is asked
    /// before every part.
    pub fn gradient(
        &self,
        model: &Llama,
        parameters: &mut Parameters,
        dropped: Option<&Dropped<'_>>,
        stop: &dyn Fn() -> bool,
    ) -> ControlFlow<(), f64> {
        parameters.clear_gradient();
        let mut loss = 0.0;
        for part in &self.parts {
            if stop() {
                return ControlFlow::Break(());
            }
            // Until the gradient is there: parts of the forward pass may be repeated for it.
            let _dropping = dropped.map(|dropped| dropped.on(part));
            // Divided by the targets of the whole batch, not of the part: a mean of means would weigh short parts more.
            loss += part.backward(model, 1.0 / self.targets.max(1) as f64);
        }
        ControlFlow::Continue(loss)
    }
}

impl MicroBatch {
    fn new(split: &EncodedSplit, indices: &[usize], placement: Placement) -> MicroBatch {
        let time = indices.iter().map(|index| split.ids(*index).len()).max().unwrap_or(0);
        let mut ids = vec![Special::Pad.id() as i32; indices.len() * time];
        let (mut positions, mut targets) = (Vec::new(), Vec::new());
        for (row, index) in indices.iter().enumerate() {
            let start = row * time;
            ids[start..start + split.ids(*index).len()].copy_from_slice(split.ids(*index));
            for (at, label) in split.labels(*index).iter().enumerate().skip(1) {
                if *label != IGNORED {
                    positions.push((start + at - 1) as i64);
                    targets.push(i64::from(*label));
                }
            }
        }
        MicroBatch {
            examples: indices.to_vec(),
            ids: Tensor::from_slice(&ids).view([indices.len() as i64, time as i64]).to_device(placement.device),
            positions: Tensor::from_slice(&positions).to_device(placement.device),
            targets: Tensor::from_slice(&targets).to_device(placement.device),
        }
    }

    /// The sum of the target tokens' cross-entropies times `weight`; its gradient is added to that of every weight that has one.
    fn backward(&self, model: &Llama, weight: f64) -> f64 {
        let normed = model.final_norm(&model.hidden_rows(&self.ids, &self.positions));
        let head = model.head_weight();
        let (loss, gradient) = loss::with_gradient(&normed.detach(), head, &self.targets, weight);
        send_back(&normed, &gradient);
        loss
    }

    /// The sum of the target tokens' cross-entropies.
    fn loss_sum(&self, model: &Llama) -> f64 {
        let normed = model.final_norm(&model.hidden_rows(&self.ids, &self.positions));
        loss::sum(&normed, model.head_weight(), &self.targets)
    }
}

/// Continues a backward pass at `tensor`, for which it has come to `gradient`.
fn send_back(tensor: &Tensor, gradient: &Tensor) {
    (tensor * gradient).sum(Kind::Float).backward();
}

/// Mean loss over all target tokens of examples `indices`; `None` when they have none.
pub fn mean_loss(model: &Llama, split: &EncodedSplit, indices: &[usize], size: usize) -> Option<f64> {
    let batch = Batch::new(split, indices, size, model.placement);
    let total = no_grad(|| batch.parts.iter().map(|part| part.loss_sum(model)).sum::<f64>());
    (batch.targets > 0).then(|| total / batch.targets as f64)
}
