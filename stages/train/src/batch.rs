//! Examples as tensors, and their loss.
//!
//! Two kinds of work are left undone because nobody would look at it: examples of like length share a micro-batch ([`crate::cut`]), so
//! little padding is computed, and the end of the last layer and the head see only the positions whose next token is a target.

use std::ops::ControlFlow;

use draws::mix;
use llama::dropout::{Dropping, Rows};
use llama::model::send_back;
use llama::{Dropout, Llama, Placement};
use tch::{Tensor, no_grad};
use tokens::EncodedSplit;
use tokens::chat::IGNORED;
use tokens::template::Special;

use crate::cut::{Costs, cut};
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
    /// How much there is to do.
    pub extent: Extent,
}

/// How much there is to do in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Tokens, without padding.
    pub tokens: usize,
    /// Tokens with padding.
    pub padded: usize,
    /// Tokens that are learned.
    pub targets: usize,
    /// Pairs of tokens of one example: what attention looks at.
    pub pairs: usize,
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
    /// Examples `indices` of `split`, cut so that none of the parts takes more memory than the `size` longest of them would, for a model
    /// at `placement`.
    pub fn new(split: &EncodedSplit, indices: &[usize], size: usize, placement: Placement) -> Batch {
        let length = |index: &usize| split.ids(*index).len();
        let mut order = indices.to_vec();
        order.sort_by_key(|index| std::cmp::Reverse(length(index)));
        let lengths: Vec<usize> = order.iter().map(length).collect();
        let costs = Costs::new(placement.device, size, lengths.first().copied().unwrap_or(0));
        let (mut rest, mut parts) = (&order[..], Vec::new());
        for count in cut(&lengths, costs) {
            let (part, others) = rest.split_at(count);
            parts.push(MicroBatch::new(split, part, placement));
            rest = others;
        }
        let extent = Extent {
            tokens: lengths.iter().sum(),
            padded: parts.iter().map(|part| part.ids.numel()).sum(),
            targets: parts.iter().map(|part| part.targets.numel()).sum(),
            pairs: lengths.iter().map(|length| length * length).sum(),
        };
        Batch { parts, extent }
    }

    /// Mean loss over all targets. Its gradient times `scale`, the same however the batch is cut, becomes that of `parameters`. `stop` is
    /// asked before every part.
    pub fn gradient(
        &self,
        model: &Llama,
        parameters: &mut Parameters,
        pass: Pass,
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
            loss += part.backward(model, pass, 1.0 / self.extent.targets.max(1) as f64);
        }
        ControlFlow::Continue(loss)
    }
}

/// How gradients are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// What is kept of the forward pass.
    pub activations: Activations,
    /// What the gradients are multiplied by, so that fp16 holds the small ones.
    pub scale: f64,
}

impl Pass {
    /// All is kept and nothing is scaled.
    pub const PLAIN: Pass = Pass { activations: Activations::Kept, scale: 1.0 };
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// All of it is kept.
    Kept,
    /// The inputs of the layers are kept, all else is computed again, layer by layer.
    Recomputed,
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
    fn backward(&self, model: &Llama, pass: Pass, weight: f64) -> f64 {
        let mut loss = 0.0;
        let mut from_rows = |rows: &Tensor| {
            let normed = model.final_norm(rows);
            let (sum, gradient) =
                loss::with_gradient(&normed.detach(), model.head_weight(), &self.targets, weight * pass.scale);
            loss = sum * weight;
            send_back(&normed, &gradient);
        };
        match pass.activations {
            Activations::Kept => from_rows(&model.hidden_rows(&self.ids, &self.positions)),
            Activations::Recomputed => {
                model.backward_rows(&self.ids, &self.positions, model.inputs(&self.ids), from_rows);
            }
        }
        loss
    }

    /// The sum of the target tokens' cross-entropies.
    fn loss_sum(&self, model: &Llama) -> f64 {
        let normed = model.final_norm(&model.hidden_rows(&self.ids, &self.positions));
        loss::sum(&normed, model.head_weight(), &self.targets)
    }
}

/// Mean loss over all target tokens of examples `indices`; `None` when they have none.
pub fn mean_loss(model: &Llama, split: &EncodedSplit, indices: &[usize], size: usize) -> Option<f64> {
    let batch = Batch::new(split, indices, size, model.placement);
    let total = no_grad(|| batch.parts.iter().map(|part| part.loss_sum(model)).sum::<f64>());
    (batch.extent.targets > 0).then(|| total / batch.extent.targets as f64)
}
