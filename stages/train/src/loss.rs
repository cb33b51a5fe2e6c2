//! The head and the loss, some rows at a time: the logits of a large vocabulary are many times larger than all else that a layer makes.
//!
//! The gradient is written out here, not left to autograd: it overwrites the probabilities, and that of the head's weights is added where
//! it belongs by the product itself.

use tch::{Kind, Tensor, no_grad};

/// Bytes of the logits of one chunk, about.
const CHUNK: i64 = 16 << 20;
/// Rows of one chunk at least: products of fewer rows read the head's weights for too little work.
const ROWS: i64 = 128;

/// Rows whose logits are made at once.
pub fn rows_at_once(vocabulary: i64) -> i64 {
    (CHUNK / (vocabulary * size_of::<f32>() as i64)).max(ROWS)
}

/// The sum of the cross-entropies of `targets` after `normed` `[rows, hidden]`, which the head `[vocabulary, hidden]` maps to logits.
pub fn sum(normed: &Tensor, head: &Tensor, targets: &Tensor) -> f64 {
    let mut total = 0.0;
    let weights = head.detach().to_kind(normed.kind());
    in_chunks(normed, &weights, targets, |_, log_probabilities, targets| total += nll(&log_probabilities, targets));
    total
}

/// The sum, and the gradient of it times `weight` for `normed`. That for `head` is added to its own, if it has one.
pub fn with_gradient(normed: &Tensor, head: &Tensor, targets: &Tensor, weight: f64) -> (f64, Tensor) {
    let mut total = 0.0;
    let mut gradients = Vec::new();
    let mut of_head = head.requires_grad().then(|| head.grad());
    let weights = head.detach().to_kind(normed.kind());
    in_chunks(normed, &weights, targets, |normed, log_probabilities, targets| {
        total += nll(&log_probabilities, targets);
        // Of the logits: the probabilities, less 1 at the target.
        let mut gradient = log_probabilities;
        let ones = targets.ones_like().to_kind(Kind::Float);
        let _ = gradient.exp_().scatter_add_(1, targets, &-ones).g_mul_scalar_(weight);
        let gradient = gradient.to_kind(normed.kind());
        gradients.push(gradient.mm(&weights));
        match &mut of_head {
            Some(of_head) if of_head.kind() == normed.kind() => drop(of_head.addmm_(&gradient.tr(), normed)),
            Some(of_head) => drop(of_head.g_add_(&gradient.tr().mm(normed))),
            None => (),
        }
    });
    let gradient = if gradients.is_empty() { normed.zeros_like() } else { Tensor::cat(&gradients, 0) };
    (total, gradient)
}

/// Calls `each` with some rows of `normed`, the log-probabilities after them in fp32, and their targets as a column.
fn in_chunks(normed: &Tensor, weights: &Tensor, targets: &Tensor, mut each: impl FnMut(&Tensor, Tensor, &Tensor)) {
    let (rows, step) = (normed.size()[0], rows_at_once(weights.size()[0]));
    no_grad(|| {
        for start in (0..rows).step_by(step as usize) {
            let count = step.min(rows - start);
            let normed = normed.narrow(0, start, count);
            let log_probabilities = normed.linear(weights, None::<Tensor>).log_softmax(-1, Kind::Float);
            each(&normed, log_probabilities, &targets.narrow(0, start, count).unsqueeze(1));
        }
    });
}

fn nll(log_probabilities: &Tensor, targets: &Tensor) -> f64 {
    -log_probabilities.gather(1, targets, false).sum(Kind::Double).double_value(&[])
}
