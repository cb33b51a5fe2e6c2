//! One optimizer step after the other. Knows tensors and examples; neither files nor events.

use std::ops::ControlFlow;

use formats::history::{EvaluationPoint, History, StepPoint};
use llama::{Dropout, Llama};
use tch::{Device, Kind, Tensor, no_grad};
use tokens::EncodedSplit;

use crate::batch::{Activations, Batch, Dropped, Extent, Pass, mean_loss};
use crate::data;
use crate::divergence::{Divergence, What};
use crate::optimizer::{Optimizer, Step, clip};
use crate::parameters::Parameters;
use crate::params::{Keep, TrainParams};
use crate::sampler::Sampler;
use crate::start::Start;

/// The first factor tried for gradients in fp16, a power of 16 so that the last one is 1.
const LARGEST_SCALE: f64 = 65536.0;

/// A model under training.
#[derive(Debug)]
pub struct Trainer {
    /// The model; its trained weights move with every step.
    pub model: Llama,
    /// The weights that move, flat.
    pub parameters: Parameters,
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// The weights with the lowest validation loss so far, where those are kept.
    pub best: Option<Tensor>,
    /// Steps done.
    pub step: u64,
    /// Steps to do.
    pub steps: u64,
    /// The steps so far.
    pub history: History,
    dropout: Option<Dropout>,
    params: TrainParams,
    sampler: Sampler,
}

/// A step that was done.
#[derive(Clone, Copy, Debug)]
pub struct Stepped<'a> {
    /// What the history says of it.
    pub point: &'a StepPoint,
    /// How much there was to do.
    pub extent: Extent,
}

/// Why a step was not done.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// It was asked to stop.
    Stopped,
    /// It would go on from, or leads to, what is no number.
    Diverged(Divergence),
}

impl Trainer {
    /// Nothing done yet, on `examples` examples. Adapters are trained where there are any, else all weights.
    pub fn new(start: Start, params: &TrainParams, examples: usize) -> Trainer {
        let Start { mut model, dropout, placement, .. } = start;
        let trained = if dropout.is_some() { model.adapters_mut() } else { model.tensors_mut() };
        let parameters = Parameters::adopt(placement, trained);
        model.compute_in(placement.kind);
        let sampler = Sampler::new(params.seed, examples, params.batch_size as usize);
        let steps = params.max_steps.map_or(u64::from(params.epochs) * sampler.steps_per_epoch(), u64::from);
        let optimizer = params.optimizer.start(&parameters);
        Trainer {
            model,
            parameters,
            optimizer,
            best: None,
            step: 0,
            steps,
            history: History::default(),
            dropout,
            params: params.clone(),
            sampler,
        }
    }

    /// Does one step on the examples whose turn it is. `stop` is asked between micro-batches; when it says so nothing has
    /// changed and the step can be repeated.
    pub fn step(&mut self, train: &EncodedSplit, stop: &dyn Fn() -> bool) -> ControlFlow<Halt, Stepped<'_>> {
        let indices = self.sampler.step(self.step).to_vec();
        let batch = Batch::new(train, &indices, self.params.micro_batch_size as usize, self.model.placement);
        let ControlFlow::Continue(loss) = self.gradient(&batch, stop) else {
            return ControlFlow::Break(Halt::Stopped);
        };
        let gradient_norm = clip(&mut self.parameters.gradient, self.params.clip_norm);
        let what = match () {
            () if !loss.is_finite() => Some(What::Loss(loss)),
            () if !gradient_norm.is_finite() => Some(What::Gradient(gradient_norm)),
            // A batch without targets has a loss of 0, and so has one that the model knows by heart.
            () if gradient_norm == 0.0 && loss > 0.0 => Some(What::Dead),
            () => None,
        };
        if let Some(what) = what {
            let lines = data::lines(train, &indices);
            return ControlFlow::Break(Halt::Diverged(Divergence { what, step: self.step + 1, lines }));
        }
        let rate = self.optimizer.peak_rate() * self.params.schedule.factor(self.step, self.steps);
        self.step += 1;
        self.optimizer.update(&mut self.parameters, Step { number: self.step, rate });
        if !self.parameters.values.sum(Kind::Double).double_value(&[]).is_finite() {
            return ControlFlow::Break(Halt::Diverged(self.divergence(What::Weights, train)));
        }
        let extent = batch.extent;
        let (tokens, targets) = (extent.tokens as u64, extent.targets as u64);
        self.history.steps.push(StepPoint { step: self.step, loss, rate, gradient_norm, tokens, targets });
        ControlFlow::Continue(Stepped { point: self.history.steps.last().expect("just pushed"), extent })
    }

    /// `what`, after the step that was just done on `train`.
    pub fn divergence(&mut self, what: What, train: &EncodedSplit) -> Divergence {
        let lines = data::lines(train, self.sampler.step(self.step - 1));
        Divergence { what, step: self.step, lines }
    }

    /// The mean loss of `batch` and its gradient.
    ///
    /// fp16 has room for small gradients only when they are multiplied, and for large ones only when by little. The factor is looked
    /// for anew in every step, so that a resumed training finds the same one.
    fn gradient(&mut self, batch: &Batch, stop: &dyn Fn() -> bool) -> ControlFlow<(), f64> {
        let activations = match self.params.gradient_checkpointing {
            true => Activations::Recomputed,
            false => Activations::Kept,
        };
        let dropped = self.dropout.as_ref().map(|dropout| Dropped::new(dropout, self.params.seed, self.step));
        let mut scale = if self.model.placement.kind == Kind::Half { LARGEST_SCALE } else { 1.0 };
        loop {
            let pass = Pass { activations, scale };
            let loss = batch.gradient(&self.model, &mut self.parameters, pass, dropped.as_ref(), stop)?;
            if scale == 1.0 {
                return ControlFlow::Continue(loss);
            }
            let _ = self.parameters.gradient.g_mul_scalar_(1.0 / scale);
            if self.parameters.gradient.norm().double_value(&[]).is_finite() {
                return ControlFlow::Continue(loss);
            }
            scale /= 16.0;
        }
    }

    /// Measures the loss on `validation`; `None` when it has no targets.
    pub fn evaluate(&mut self, validation: &EncodedSplit) -> Option<f64> {
        let examples = self.params.eval_examples.map_or(validation.len(), |most| validation.len().min(most as usize));
        let indices: Vec<usize> = (0..examples).collect();
        let loss = mean_loss(&self.model, validation, &indices, self.params.micro_batch_size as usize)?;
        self.history.evaluations.push(EvaluationPoint { step: self.step, loss });
        if self.params.keep == Keep::Best && self.best_evaluation().is_some_and(|best| best.step == self.step) {
            self.best = Some(no_grad(|| self.parameters.values.to_device(Device::Cpu).copy()));
        }
        Some(loss)
    }

    /// Whether every step is done, or no more are worth it.
    pub fn finished(&self) -> bool {
        self.step >= self.steps || self.out_of_patience()
    }

    /// Whether the validation loss fell in none of the last measurements.
    pub fn out_of_patience(&self) -> bool {
        let evaluations = &self.history.evaluations;
        let best = self.best_evaluation().and_then(|best| evaluations.iter().position(|point| point == best));
        let (Some(patience), Some(best)) = (self.params.patience, best) else { return false };
        evaluations.len() - 1 - best >= patience as usize
    }

    /// The measurement with the lowest loss, the first of several.
    pub fn best_evaluation(&self) -> Option<&EvaluationPoint> {
        self.history.evaluations.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))
    }

    /// Puts the weights that are kept into the model, and says after which step it had them.
    pub fn settle(&mut self) -> u64 {
        let best = self.best.take().zip(self.best_evaluation().map(|best| best.step));
        let Some((weights, step)) = best else { return self.step };
        no_grad(|| self.parameters.values.copy_(&weights));
        step
    }
}
