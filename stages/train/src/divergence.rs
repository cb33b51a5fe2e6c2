//! The end of a training that makes no sense any more.

use contract::StageError;

use crate::params::{OptimizerParams, TrainParams};

/// A figure that cannot be trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// What it is.
    pub what: What,
    /// The step, from 1.
    pub step: u64,
    /// The dataset's lines of the step's examples.
    pub lines: String,
}

/// What of a step is no number, or is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The loss.
    Loss(f64),
    /// The norm of the gradient.
    Gradient(f64),
    /// Weights after the update.
    Weights,
    /// The loss on the validation split after the update.
    Validation(f64),
    /// Nothing moves although the loss is not 0.
    Dead,
}

impl Divergence {
    /// The error, with advice that fits `params`.
    pub fn error(&self, params: &TrainParams) -> StageError {
        let Divergence { what, step, lines } = self;
        let what = match what {
            What::Loss(value) => format!("the loss is {value} at step {step}"),
            What::Gradient(value) => format!("the norm of the gradient is {value} at step {step}"),
            What::Weights => format!("a weight is no number after step {step}"),
            What::Validation(value) => format!("the validation loss is {value} after step {step}"),
            What::Dead => format!("the gradient is 0 at step {step}, so no weight will ever move"),
        };
        let message = format!("{what} (lines {lines} of the dataset's train.jsonl)");
        StageError::invalid_input(message).help(self.advice(params))
    }

    fn advice(&self, params: &TrainParams) -> String {
        if self.what == What::Dead {
            return "weights of the model are zero or damaged: look at the file of the `base`, or start with fresh weights"
                .to_owned();
        }
        let (key, rate) = match &params.optimizer {
            OptimizerParams::Lion(lion) => ("lion", lion.lr),
            OptimizerParams::AdamW(adamw) => ("adamw", adamw.lr),
        };
        format!(
            "lower optimizer.{key}.lr ({rate:e}) to a third, then clip_norm ({}), or lengthen the warm-up",
            params.clip_norm
        )
    }
}
