//! Card and run of the stage.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use contract::stage::At;
use contract::{Card, Context, Digest, Stage, StageError, Type};
use dataset::Split;
use formats::history::HistoryFile;
use tokens::{EncodedSplit, Manifest};

use crate::checkpoint::Checkpoints;
use crate::params::TrainParams;
use crate::trainer::Trainer;

/// Trains a Llama.
pub struct Train;

/// The files of the tokenizer's directory that a model needs; `config.json` and the weights are the model's own.
const TOKENIZER_FILES: [&str; 5] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
];

impl Stage for Train {
    type Params = TrainParams;

    fn card() -> Card {
        Card::new("train", 1)
            .summary("Trains a Llama from fresh weights on the answers of a chat dataset")
            .worker("pipe-torch")
            .input("tokens", Type::TOKENS, "tokenizer and encoded splits")
            .output("model", Type::HF_MODEL, "config, fp32 weights, tokenizer, chat template")
            .output("history", Type::METRICS, "loss at every step, validation losses, params, totals")
            .resources(2, 1 << 30)
    }

    fn run(params: TrainParams, context: &Context) -> Result<(), StageError> {
        let source = context.input("tokens")?;
        let manifest = read_manifest(source)?;
        let train = EncodedSplit::load(source, Split::Train)?;
        let validation = EncodedSplit::load(source, Split::Validation)?;
        if train.is_empty() {
            return Err(StageError::invalid_input(format!("{}: no training examples", source.display()))
                .help("raise max_length of the tokenize stage, or give it more data"));
        }
        let config = params.model.config(manifest.vocab_size, manifest.max_length)?;
        for (split, name) in [(&train, Split::Train), (&validation, Split::Validation)] {
            refuse_foreign(split, name, manifest.vocab_size)?;
        }
        let mut trainer = Trainer::new(&config, &params, train.len());
        context.info(format!("{} parameters, {} steps", config.parameters(), trainer.steps));

        let checkpoints = Checkpoints::new(context.checkpoints(), owner(&params, context)?);
        resume(context, &checkpoints, &mut trainer)?;
        let speed = follow(context, &params, &mut trainer, &train, &validation, &checkpoints)?;
        context.metric("parameters", config.parameters() as f64);
        context.metric("tokens_per_second", speed);

        let directory = context.output_dir("model")?;
        trainer.model.save(directory)?;
        for name in TOKENIZER_FILES {
            let (from, to) = (source.join(name), directory.join(name));
            // Read and written, not copied: inputs are read-only and a copy would be too.
            std::fs::write(&to, std::fs::read(&from).at(&from)?).at(&to)?;
        }
        write_history(&params, &trainer, train.len(), context.output("history")?)
    }
}

/// The steps that are left. Returns tokens per second.
fn follow(
    context: &Context,
    params: &TrainParams,
    trainer: &mut Trainer,
    train: &EncodedSplit,
    validation: &EncodedSplit,
    checkpoints: &Checkpoints,
) -> Result<f64, StageError> {
    let (mut stepping, mut tokens) = (Duration::ZERO, 0);
    context.progress(trainer.step, trainer.steps, "steps");
    while !trainer.finished() {
        let started = Instant::now();
        let ControlFlow::Continue(point) = trainer.step(train, &|| context.cancelled()) else {
            let path = checkpoints.save(trainer)?;
            context.checkpoint(path, trainer.step);
            return Err(StageError::interrupted());
        };
        stepping += started.elapsed();
        tokens += point.tokens;
        if !point.loss.is_finite() || !point.gradient_norm.is_finite() {
            let message = format!("the loss is {} at step {}", point.loss, point.step);
            return Err(StageError::invalid_input(message).help("lower the learning rate or clip_norm"));
        }
        context.metric_at("loss", point.step, point.loss);
        context.metric_at("learning_rate", point.step, point.rate);
        context.metric_at("gradient_norm", point.step, point.gradient_norm);
        context.progress(trainer.step, trainer.steps, "steps");
        if trainer.finished() || trainer.step.is_multiple_of(params.eval_every.into()) {
            match trainer.evaluate(validation) {
                Some(loss) => context.metric_at("validation_loss", trainer.step, loss),
                None => context.warn("the validation split has no targets, so nothing is measured on it"),
            }
        }
        let wanted = context.checkpoint_wanted();
        if !trainer.finished() && (wanted || trainer.step.is_multiple_of(params.checkpoint_every.into())) {
            context.checkpoint(checkpoints.save(trainer)?, trainer.step);
        }
    }
    Ok(tokens as f64 / stepping.as_secs_f64().max(f64::MIN_POSITIVE))
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
    let all = serde_json::to_vec(&(
        Train::card().version,
        params,
        inputs.get("tokens").map(|t| t.iter().map(|i| i.digest).collect::<Vec<_>>()),
    ))
    .map_err(|e| StageError::bug(e.to_string()))?;
    Ok(Digest::of(&all))
}

/// Refuses token ids for which the model has no row: libtorch would end the process.
fn refuse_foreign(split: &EncodedSplit, name: Split, vocabulary: usize) -> Result<(), StageError> {
    let known = |id: i32| usize::try_from(id).is_ok_and(|id| id < vocabulary);
    let foreign =
        (0..split.len()).find_map(|index| split.ids(index).iter().find(|id| !known(**id)).map(|id| (index, *id)));
    let Some((index, id)) = foreign else { return Ok(()) };
    let message = format!("tokens: {name} example {index} holds token {id}, manifest.json has {vocabulary} tokens");
    Err(StageError::invalid_input(message).help("wire a directory that `tokenize` made, all of it"))
}

fn read_manifest(directory: &Path) -> Result<Manifest, StageError> {
    let path = directory.join("manifest.json");
    let bytes = std::fs::read(&path).at(&path)?;
    serde_json::from_slice(&bytes).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))
}

fn write_history(params: &TrainParams, trainer: &Trainer, examples: usize, path: &Path) -> Result<(), StageError> {
    let steps = &trainer.history.steps;
    let file = HistoryFile {
        params: params.clone(),
        parameters: trainer.parameters.values.numel() as u64,
        examples: examples as u64,
        total_steps: trainer.step,
        total_tokens: steps.iter().map(|point| point.tokens).sum(),
        total_targets: steps.iter().map(|point| point.targets).sum(),
        curve: trainer.history.clone(),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|e| StageError::bug(e.to_string()))?;
    std::fs::write(path, text + "\n").at(path)
}
