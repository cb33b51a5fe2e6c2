//! Card and run of the stage.

use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use dataset::Split;
use formats::network::Network;
use formats::{LayersReport, ModelSource, gguf, gptq};
use llama::{Llama, Placement};
use tokens::EncodedSplit;

use crate::calibration::{self, Batch};
use crate::network;
use crate::params::QuantizeParams;
use crate::verify::verify;
use crate::walk;

/// The version on the card; the files name it too.
pub(crate) const VERSION: u32 = 1;

/// Quantizes a model to 4 bits, into two containers.
pub struct Quantize;

impl Stage for Quantize {
    type Params = QuantizeParams;

    fn card() -> Card {
        Card::new("quantize", VERSION)
            .summary("Quantizes a model to 4 bits with GPTQ: safetensors and GGUF with the same weights")
            .worker("pipe-torch")
            .input("model", Type::HF_MODEL, "the model")
            .input("tokens", Type::TOKENS, "encoded splits; the calibration split is used")
            .output("gptq", Type::GPTQ_MODEL, "a Hugging Face directory: GPTQ v1, symmetric")
            .output("q4_0", Type::GGUF, "as GGUF: the same codes as Q4_0, with the tokenizer")
            .output("layers", Type::METRICS, "error and damping of each linear, round-to-nearest beside it")
            .resources(2, 2 << 30)
    }

    fn run(params: QuantizeParams, context: &Context) -> Result<(), StageError> {
        tch::set_num_threads(params.threads as i32);
        tch::no_grad(|| run(&params, context))
    }
}

fn run(params: &QuantizeParams, context: &Context) -> Result<(), StageError> {
    let source = ModelSource::open(context.input("model")?)?;
    let mut model = Llama::read(&source, Placement::CPU)?;
    network::check_sizes(&model.config, i64::from(params.group_size))?;
    let split = EncodedSplit::load(context.input("tokens")?, Split::Calibration)?;
    let batches = calibration::batches(&split, params.calibration_samples as usize, &model)?;

    network::round_plain(&mut model);
    let plain = network::plain_tensors(&model)?;
    let (linears, layers) = walk::quantize(&mut model, &batches, params, context)?;
    let network = Network { config: model.config, linears, plain };

    let gptq_path = context.output_dir("gptq")?;
    gptq::write::write(&network, &params.config(), &source.companions()?, gptq_path)?;
    let gguf_path = context.output("q4_0")?;
    gguf::export::write(&network, gptq_path, gguf_path)?;
    verify(&network, gptq_path, gguf_path)?;

    let report = LayersReport {
        calibration_samples: batches.iter().map(|batch| batch.ids.size()[0] as usize).sum(),
        calibration_tokens: batches.iter().map(Batch::tokens).sum(),
        mean_relative_error: LayersReport::mean(&layers, |layer| layer.relative_error),
        mean_nearest_relative_error: LayersReport::mean(&layers, |layer| layer.nearest_relative_error),
        gptq_bytes: size_of_file(&gptq_path.join(gptq::write::WEIGHTS))?,
        gguf_bytes: size_of_file(gguf_path)?,
        layers,
    };
    say(&report, params, context);
    let path = context.output("layers")?;
    let text = serde_json::to_string_pretty(&report).map_err(|e| StageError::bug(format!("layers report: {e}")))?;
    std::fs::write(path, text + "\n").at(path)
}

fn say(report: &LayersReport, params: &QuantizeParams, context: &Context) {
    for layer in report.layers.iter().filter(|layer| layer.damping > params.damping) {
        context.warn(format!("{}: damping had to be raised to {:.3}", layer.module, layer.damping));
    }
    context.metric("relative_error", report.mean_relative_error);
    context.metric("nearest_relative_error", report.mean_nearest_relative_error);
    context.metric("calibration_tokens", report.calibration_tokens as f64);
    context.metric("gptq_bytes", report.gptq_bytes as f64);
    context.metric("gguf_bytes", report.gguf_bytes as f64);
}

fn size_of_file(path: &Path) -> Result<u64, StageError> {
    Ok(std::fs::metadata(path).at(path)?.len())
}
