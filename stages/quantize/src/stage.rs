//! Card and run of the stage.

use std::path::Path;

use contract::foresight::{Foresight, Inquiry};
use contract::stage::At;
use contract::{Card, Context, Digest, Stage, StageError, Type};
use dataset::Split;
use formats::gguf::{About, export, vocabulary};
use formats::network::{Network, ZeroFormat};
use formats::{ForeseenConfig, LayerReport, LayersReport, ModelSource, gptq};
use llama::Placement;
use tokens::EncodedSplit;

use crate::calibration::{self, Batch};
use crate::finished::Finished;
use crate::params::QuantizeParams;
use crate::preflight::{self, Room};
use crate::quantized::QuantizedNetwork;
use crate::verify::verify;
use crate::walk::Walk;

/// The version on the card; the files name it too.
pub(crate) const VERSION: u32 = 2;

/// Quantizes a model, into two containers.
pub struct Quantize;

impl Stage for Quantize {
    type Params = QuantizeParams;

    fn card() -> Card {
        Card::new("quantize", VERSION)
            .summary("Quantizes a model with GPTQ: safetensors and GGUF with the same weights")
            .worker("pipe-torch")
            .input("model", Type::HF_MODEL, "the model")
            .input("tokens", Type::TOKENS, "encoded splits; the calibration split is used")
            .output("gptq", Type::GPTQ_MODEL, "a Hugging Face directory with packed linears")
            .output("model", Type::GGUF, "as GGUF: the same codes as Q4_0, Q4_1 or Q8_0, with the tokenizer")
            .output("layers", Type::METRICS, "error and damping of each linear, round-to-nearest beside it")
            .resources(2, 2 << 30)
            .foresees()
    }

    fn foresee(params: QuantizeParams, inquiry: &Inquiry) -> Result<Foresight, StageError> {
        preflight::check_grid(&params)?;
        if let Some(path) = inquiry.path("model") {
            preflight::check_sizes(&ModelSource::open(path)?.config, &params)?;
        } else if let Some(facts) = inquiry.facts("model") {
            preflight::check_sizes(&ForeseenConfig::read(facts)?.config, &params)?;
        }
        Ok(Foresight::default())
    }

    fn run(params: QuantizeParams, context: &Context) -> Result<(), StageError> {
        tch::set_num_threads(params.threads as i32);
        tch::no_grad(|| run(&params, context))
    }
}

fn run(params: &QuantizeParams, context: &Context) -> Result<(), StageError> {
    let kind = preflight::check_grid(params)?;
    let source = ModelSource::open(context.input("model")?)?;
    let config = &source.config;
    preflight::check_sizes(config, params)?;
    let split = EncodedSplit::load(context.input("tokens")?, Split::Calibration)?;
    let placement = Placement::CPU;
    let batches = calibration::batches(&split, params.calibration_samples as usize, config, placement.device)?;

    let directory = context.output_dir("gptq")?;
    gptq::write::write_config(config, &params.config(ZeroFormat::V1), &source.companions()?, directory)?;
    let mut metadata = About::of(&source).overridden_by(params.about()).metadata(config);
    metadata.extend(vocabulary::metadata(directory, config.vocab_size, &config.eos_token_ids)?);
    let checkpoints = context.checkpoints();
    std::fs::create_dir_all(checkpoints).at(checkpoints)?;
    Room::needed(config, params, kind).check(directory, checkpoints, size_of_files(checkpoints)?)?;

    let finished = Finished { directory: checkpoints, owner: owner(params, context)?, grid: params.grid(), config };
    Walk { source: &source, placement, batches: &batches, params, finished: &finished, context }.run()?;
    let zeros = if finished.has_zero_of_zero()? { ZeroFormat::V2 } else { ZeroFormat::V1 };
    if zeros == ZeroFormat::V2 {
        context.info("some groups have zero 0, which GPTQ v1 cannot write: the directory is of format gptq_v2");
        gptq::write::write_config(config, &params.config(zeros), &[], directory)?;
    }
    let network = QuantizedNetwork { source: &source, finished: &finished, params, zeros };
    let gguf = context.output("model")?;
    write(&network, &metadata, directory, gguf, context)?;
    report(params, &finished, &batches, [&directory.join(gptq::write::WEIGHTS), gguf], context)
}

/// Writes both containers, and reads them again.
fn write(
    network: &dyn Network,
    metadata: &export::Metadata,
    directory: &Path,
    gguf: &Path,
    context: &Context,
) -> Result<(), StageError> {
    gptq::write::write_weights(network, directory)?;
    context.check_cancelled()?;
    export::write(network, metadata, gguf)?;
    context.check_cancelled()?;
    verify(network, directory, gguf)
}

fn report(
    params: &QuantizeParams,
    finished: &Finished,
    batches: &[Batch],
    files: [&Path; 2],
    context: &Context,
) -> Result<(), StageError> {
    let reports: Result<Vec<Vec<LayerReport>>, StageError> =
        (0..finished.config.num_hidden_layers).map(|layer| finished.reports(layer)).collect();
    let layers = reports?.concat();
    let report = LayersReport {
        calibration_samples: batches.iter().map(|batch| batch.ids.size()[0] as usize).sum(),
        calibration_tokens: batches.iter().map(Batch::tokens).sum(),
        mean_relative_error: LayersReport::mean(&layers, |layer| layer.relative_error),
        mean_nearest_relative_error: LayersReport::mean(&layers, |layer| layer.nearest_relative_error),
        gptq_bytes: size_of_file(files[0])?,
        gguf_bytes: size_of_file(files[1])?,
        layers,
    };
    let raised = report.layers.iter().filter(|layer| layer.damping > params.damping).count();
    context.metric("relative_error", report.mean_relative_error);
    context.metric("nearest_relative_error", report.mean_nearest_relative_error);
    context.metric("calibration_tokens", report.calibration_tokens as f64);
    context.metric("layers_with_raised_damping", raised as f64);
    context.metric("gptq_bytes", report.gptq_bytes as f64);
    context.metric("gguf_bytes", report.gguf_bytes as f64);
    let path = context.output("layers")?;
    let text = serde_json::to_string_pretty(&report).map_err(|e| StageError::bug(format!("layers report: {e}")))?;
    std::fs::write(path, text + "\n").at(path)
}

/// All that decides the content of a finished block.
fn owner(params: &QuantizeParams, context: &Context) -> Result<Digest, StageError> {
    let inputs = &context.job().inputs;
    let digests = |port| inputs.get(port).map(|all| all.iter().map(|input| input.digest).collect::<Vec<_>>());
    let all = serde_json::to_vec(&(VERSION, params, digests("model"), digests("tokens")));
    Ok(Digest::of(&all.map_err(|e| StageError::bug(e.to_string()))?))
}

fn size_of_file(path: &Path) -> Result<u64, StageError> {
    Ok(std::fs::metadata(path).at(path)?.len())
}

fn size_of_files(directory: &Path) -> Result<u64, StageError> {
    let mut size = 0;
    for entry in std::fs::read_dir(directory).at(directory)? {
        size += entry.and_then(|entry| entry.metadata()).at(directory)?.len();
    }
    Ok(size)
}
