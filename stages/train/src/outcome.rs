//! What a training leaves: the directory of the model, and the history.

use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};
use formats::ModelSource;
use formats::history::{AdapterFigures, BaseFigures, HistoryFile};
use formats::source::COMPANIONS;
use llama::Llama;
use tch::no_grad;
use tokens::EncodedSplit;

use crate::data::Data;
use crate::lora;
use crate::merge::Probe;
use crate::model_card;
use crate::params::TrainParams;
use crate::tensorboard;
use crate::trainer::Trainer;

/// Writes the outputs of `trainer`, which is finished.
pub(crate) fn write(
    mut trainer: Trainer,
    base: Option<ModelSource>,
    params: &TrainParams,
    data: &Data,
    context: &Context,
) -> Result<(), StageError> {
    let directory = context.output_dir("model")?;
    let kept_step = trainer.settle();
    let mut file = HistoryFile {
        params: params.clone(),
        parameters: trainer.model.config.parameters() as u64,
        examples: data.train.len() as u64,
        total_steps: trainer.step,
        total_tokens: trainer.history.steps.iter().map(|point| point.tokens).sum(),
        total_targets: trainer.history.steps.iter().map(|point| point.targets).sum(),
        kept_step: Some(kept_step),
        ended_early: trainer.step < trainer.steps,
        base: None,
        curve: std::mem::take(&mut trainer.history),
    };
    let model = trainer.model;
    match &base {
        None => model.save(directory)?,
        Some(source) => {
            let merge_difference = write_tuned(model, source, params, data, directory)?;
            let tensors = source.stored_types();
            let adapters = params
                .lora
                .as_ref()
                .map(|_| AdapterFigures { parameters: trainer.parameters.values.numel() as u64, merge_difference });
            let quantized = tensors.keys().any(|name| name.starts_with('Q'));
            file.base = Some(BaseFigures { tensors, quantized, adapters });
            merge_difference.inspect(|difference| context.metric("merge_difference", *difference));
            let path = directory.join("README.md");
            std::fs::write(&path, model_card::text(&file)).at(&path)?;
        }
    }
    write_companions(data, directory)?;
    if params.tensorboard {
        tensorboard::write(&file.curve, &directory.join(tensorboard::DIRECTORY))?;
    }
    let text = serde_json::to_string_pretty(&file).map_err(|e| StageError::bug(e.to_string()))?;
    let path = context.output("history")?;
    std::fs::write(path, text + "\n").at(path)
}

/// A model that began with `source`, and the largest difference of a logit where adapters were merged.
fn write_tuned(
    mut model: Llama,
    source: &ModelSource,
    params: &TrainParams,
    data: &Data,
    directory: &Path,
) -> Result<Option<f64>, StageError> {
    let Some(lora) = &params.lora else {
        model.save(directory)?;
        return Ok(None);
    };
    let adapters = model.adapters_mut().into_iter().map(|(name, tensor)| (name, tensor.shallow_clone())).collect();
    lora.save(adapters, &directory.join(lora::DIRECTORY))?;
    if !lora.merge {
        return Ok(None);
    }
    let split: &EncodedSplit = if data.validation.is_empty() { &data.train } else { &data.validation };
    no_grad(|| {
        let probe = Probe::new(&model, split);
        let model = model.merged(source)?;
        model.save(directory)?;
        Ok(Some(probe.difference(&model)))
    })
}

/// The files that a tokenizer and generation need: those of `tokens`.
fn write_companions(data: &Data, directory: &Path) -> Result<(), StageError> {
    for name in COMPANIONS {
        let (from, to) = (data.directory.join(name), directory.join(name));
        if name != "tokenizer.json" && !from.exists() {
            continue;
        }
        // Read and written, not copied: inputs are read-only and a copy would be too.
        std::fs::write(&to, std::fs::read(&from).at(&from)?).at(&to)?;
    }
    Ok(())
}
