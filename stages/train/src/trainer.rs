//! One optimizer step after the other. Knows tensors and examples; neither files nor events.

use std::ops::ControlFlow;

use formats::history::{EvaluationPoint, History, StepPoint};
use llama::{Config, Llama, Placement};
use tokens::EncodedSplit;

use crate::batch::{Batch, mean_loss};
use crate::lion::{Lion, clip};
use crate::parameters::Parameters;
use crate::params::{Optimizer, TrainParams};
use crate::sampler::Sampler;

/// A model under training.
#[derive(Debug)]
pub struct Trainer {
    /// The model; its weights move with every step.
    pub model: Llama,
    /// Its weights, flat.
    pub parameters: Parameters,
    /// The optimizer.
    pub lion: Lion,
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
        let Optimizer::Lion(lion) = &params.optimizer;
        let (parameters, model) = Parameters::adopt(&Llama::init(config, params.seed, Placement::CPU));
        let sampler = Sampler::new(params.seed, examples, params.batch_size as usize);
        let steps = params.max_steps.map_or(u64::from(params.epochs) * sampler.steps_per_epoch(), u64::from);
        let lion = Lion::new(lion.clone(), &parameters);
        Trainer {
            model,
            parameters,
            lion,
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
        let batch = Batch::new(train, &indices, self.params.micro_batch_size as usize);
        let (loss, mut gradient) = match batch.gradient(&self.model, &self.parameters, stop) {
            ControlFlow::Continue(both) => both,
            ControlFlow::Break(()) => return ControlFlow::Break(()),
        };
        let gradient_norm = clip(&mut gradient, self.params.clip_norm);
        let rate = self.lion.peak_rate() * self.params.schedule.factor(self.step, self.steps);
        self.lion.update(&mut self.parameters, &gradient, rate);
        self.step += 1;
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
