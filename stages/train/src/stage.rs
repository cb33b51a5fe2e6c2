//! Card and run of the stage.

use std::ops::ControlFlow;
use std::time::Instant;

use contract::foresight::{Foresight, Inquiry};
use contract::{Card, Context, Digest, Stage, StageError, Type};
use formats::history::StepPoint;

use crate::checkpoint::Checkpoints;
use crate::data::Data;
use crate::divergence::What;
use crate::foresee::foresee;
use crate::outcome;
use crate::params::TrainParams;
use crate::start::Start;
use crate::throughput::{Needs, Throughput};
use crate::trainer::{Halt, Trainer};

/// Trains a Llama.
pub struct Train;

impl Stage for Train {
    type Params = TrainParams;

    fn card() -> Card {
        Card::new("train", 2)
            .summary("Trains a Llama on the answers of a chat dataset: fresh weights, a base, or adapters beside it")
            .worker("pipe-torch")
            .input("tokens", Type::TOKENS, "tokenizer and encoded splits")
            .optional_input("base", Type::HF_MODEL, "the model to begin with, as `fetch` or `train` gives it")
            .output("model", Type::HF_MODEL, "config, fp32 weights, tokenizer, chat template; adapter/ with `lora`")
            .output("history", Type::METRICS, "loss at every step, validation losses, params, totals")
            .resources(2, 1 << 30)
            .foresees()
    }

    fn foresee(params: TrainParams, inquiry: &Inquiry) -> Result<Foresight, StageError> {
        foresee(&params, inquiry)
    }

    fn run(params: TrainParams, context: &Context) -> Result<(), StageError> {
        tch::set_num_threads(params.threads as i32);
        let data = Data::load(context.input("tokens")?)?;
        data.refuse_unmeasurable(&params)?;
        let mut start = Start::open(&params, &data, context)?;
        let base = start.base.take();
        let mut trainer = Trainer::new(start, &params, data.train.len());
        let (all, trained) = (trainer.model.config.parameters(), trainer.parameters.values.numel());
        context.info(format!("{all} parameters, {trained} of them trained, {} steps", trainer.steps));

        let checkpoints = Checkpoints::new(context.checkpoints(), owner(&params, context)?);
        resume(context, &checkpoints, &mut trainer)?;
        let throughput = follow(context, &params, &mut trainer, &data, &checkpoints)?;
        context.metric("parameters", all as f64);
        context.metric("trained_parameters", trained as f64);
        throughput.tell(context);
        outcome::write(trainer, base, &params, &data, context)
    }
}

/// The steps that are left. Returns how fast they were.
fn follow(
    context: &Context,
    params: &TrainParams,
    trainer: &mut Trainer,
    data: &Data,
    checkpoints: &Checkpoints,
) -> Result<Throughput, StageError> {
    let adapters = params.lora.as_ref().map(|lora| lora.shape().parameters(&trainer.model.config));
    let needs = Needs::of(&trainer.model.config, adapters);
    let mut throughput = Throughput::new(needs, trainer.model.placement.device, params.precision);
    context.progress(trainer.step, trainer.steps, "steps");
    while !trainer.finished() {
        let started = Instant::now();
        let stepped = match trainer.step(&data.train, &|| context.cancelled()) {
            ControlFlow::Continue(stepped) => stepped,
            ControlFlow::Break(Halt::Diverged(divergence)) => return Err(divergence.error(params)),
            ControlFlow::Break(Halt::Stopped) => {
                let path = checkpoints.save(trainer)?;
                context.checkpoint(path, trainer.step);
                return Err(StageError::interrupted());
            }
        };
        throughput.add(stepped.extent, started.elapsed());
        tell(context, stepped.point);
        context.progress(trainer.step, trainer.steps, "steps");
        if trainer.step >= trainer.steps || trainer.step.is_multiple_of(params.eval_every.into()) {
            measure(context, params, trainer, data)?;
        }
        let wanted = context.checkpoint_wanted();
        if !trainer.finished() && (wanted || trainer.step.is_multiple_of(params.checkpoint_every.into())) {
            context.checkpoint(checkpoints.save(trainer)?, trainer.step);
        }
    }
    if trainer.step < trainer.steps {
        let best = trainer.best_evaluation().map_or(0, |best| best.step);
        context.info(format!("ended after step {}: the validation loss was lowest after step {best}", trainer.step));
    }
    Ok(throughput)
}

fn tell(context: &Context, point: &StepPoint) {
    context.metric_at("loss", point.step, point.loss);
    context.metric_at("learning_rate", point.step, point.rate);
    context.metric_at("gradient_norm", point.step, point.gradient_norm);
    if point.targets == 0 {
        context.warn(format!(
            "the examples of step {} have no token to learn, so nothing is learned from them",
            point.step
        ));
    }
}

fn measure(context: &Context, params: &TrainParams, trainer: &mut Trainer, data: &Data) -> Result<(), StageError> {
    match trainer.evaluate(&data.validation) {
        Some(loss) if loss.is_finite() => context.metric_at("validation_loss", trainer.step, loss),
        Some(loss) => return Err(trainer.divergence(What::Validation(loss), &data.train).error(params)),
        None => context.warn("the validation split has no targets, so nothing is measured on it"),
    }
    Ok(())
}

fn resume(context: &Context, checkpoints: &Checkpoints, trainer: &mut Trainer) -> Result<(), StageError> {
    let (resumed, passed_over) = checkpoints.restore(trainer)?;
    for reason in passed_over {
        context.warn(format!("checkpoint not used: {reason}"));
    }
    if let Some(path) = resumed {
        context.info(format!("resumed after step {} from {}", trainer.step, path.display()));
    }
    Ok(())
}

/// All that decides the course of a training.
fn owner(params: &TrainParams, context: &Context) -> Result<Digest, StageError> {
    let inputs = &context.job().inputs;
    let digests: Vec<_> =
        inputs.iter().map(|(port, all)| (port, all.iter().map(|input| input.digest).collect::<Vec<_>>())).collect();
    let all =
        serde_json::to_vec(&(Train::card().version, params, digests)).map_err(|e| StageError::bug(e.to_string()))?;
    Ok(Digest::of(&all))
}
