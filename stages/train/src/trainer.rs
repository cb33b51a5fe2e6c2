//! One optimizer step after the other. Knows tensors and examples; neither files nor events.

use std::ops::ControlFlow;

use formats::history::{EvaluationPoint, History, StepPoint};
use llama::{Config, Llama, Placement};
use tokens::EncodedSplit;

use crate::batch::{Batch, mean_loss};
use crate::optimizer::{Optimizer, Step, clip};
use crate::parameters::Parameters;
use crate::params::TrainParams;
use crate::sampler::Sampler;

/// A model under training.
#[derive(Debug)]
pub struct Trainer {
    /// The model; its weights move with every step.
    pub model: Llama,
    /// The weights that move, flat.
    pub parameters: Parameters,
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// Steps done.
    pub step: u64,
    /// Steps to do.
    pub steps: u64,
    /// The steps so far.
    pub history: History,
    params: TrainParams,
    sampler: Sampler,
}

impl Trainer {
    /// Fresh weights, nothing done yet. Sets libtorch's threads for the process.
    pub fn new(config: &Config, params: &TrainParams, examples: usize) -> Trainer {
        tch::set_num_threads(params.threads as i32);
        let mut model = Llama::init(config, params.seed, Placement::CPU);
        let parameters = Parameters::adopt(model.placement, model.tensors_mut());
        let sampler = Sampler::new(params.seed, examples, params.batch_size as usize);
        let steps = params.max_steps.map_or(u64::from(params.epochs) * sampler.steps_per_epoch(), u64::from);
        let optimizer = params.optimizer.start(&parameters);
        Trainer {
            model,
            parameters,
            optimizer,
            step: 0,
            steps,
            history: History::default(),
            params: params.clone(),
            sampler,
        }
    }

    /// Does one step on the examples whose turn it is. `stop` is asked between micro-batches; when it says so nothing has
    /// changed and the step can be repeated.
    pub fn step(&mut self, train: &EncodedSplit, stop: &dyn Fn() -> bool) -> ControlFlow<(), &StepPoint> {
        let indices = self.sampler.step(self.step).to_vec();
        let batch = Batch::new(train, &indices, self.params.micro_batch_size as usize, self.model.placement);
        let (loss, mut gradient) = match batch.gradient(&self.model, &self.parameters, stop) {
            ControlFlow::Continue(both) => both,
            ControlFlow::Break(()) => return ControlFlow::Break(()),
        };
        let gradient_norm = clip(&mut gradient, self.params.clip_norm);
        let rate = self.optimizer.peak_rate() * self.params.schedule.factor(self.step, self.steps);
        self.step += 1;
        self.optimizer.update(&mut self.parameters, &gradient, Step { number: self.step, rate });
        let (tokens, targets) = (batch.tokens as u64, batch.targets as u64);
        self.history.steps.push(StepPoint { step: self.step, loss, rate, gradient_norm, tokens, targets });
        ControlFlow::Continue(self.history.steps.last().expect("just pushed"))
    }

    /// Measures the loss on `validation`; `None` when it has no targets.
    pub fn evaluate(&mut self, validation: &EncodedSplit) -> Option<f64> {
        let examples = self.params.eval_examples.map_or(validation.len(), |most| validation.len().min(most as usize));
        let indices: Vec<usize> = (0..examples).collect();
        let loss = mean_loss(&self.model, validation, &indices, self.params.micro_batch_size as usize)?;
        self.history.evaluations.push(EvaluationPoint { step: self.step, loss });
        Some(loss)
    }

    /// Whether every step is done.
    pub fn finished(&self) -> bool {
        self.step >= self.steps
    }
}
