//! Card and run of the stage.

use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use formats::gptq;
use formats::gptq::GptqDirectory;
use formats::history::HistoryFile;
use formats::{LayersReport, ModelSource};
use llama::{Llama, Placement};
use serde::de::DeserializeOwned;
use statistics::quantile::nearest_rank;
use tokens::ChatEncoder;

use crate::evaluation::{self, Evaluation, Material, Models};
use crate::metrics::{Metrics, Sizes};
use crate::model_card::{self, Data};
use crate::params::EvaluateParams;
use crate::report::{Report, Shown};
use crate::reports::Reports;
use crate::requirements::{self, Requirement};

/// Measures the quantized model beside the original.
pub struct Evaluate;

impl Stage for Evaluate {
    type Params = EvaluateParams;

    fn card() -> Card {
        Card::new("evaluate", 5)
            .summary("Measures the quantized model beside the original and baselines, and holds it to what a pipeline requires")
            .worker("pipe-torch")
            .input("model", Type::HF_MODEL, "the model before quantization")
            .input("quantized", Type::GPTQ_MODEL, "the quantized model")
            .optional_input("gguf", Type::GGUF, "its GGUF; only its size is taken")
            .input("tokens", Type::TOKENS, "encoded splits; the test split is used")
            .input("dataset", Type::DATASET, "the same splits as text: true answers, and the training set for baselines")
            .optional_input("reports", Type::DATASET, "what `transform` makes of real reports alone; none of it trained on")
            .optional_input("history", Type::METRICS, "from `train`: the loss curve for the report")
            .optional_input("layers", Type::METRICS, "from `quantize`: the errors of layers for the report")
            .output("metrics", Type::METRICS, "every figure, with 95 % intervals by host")
            .output("report", Type::REPORT, "the figures as one self-contained page, failures first")
            .output("model_card", Type::FILE, "`README.md` of the model, as the Hugging Face Hub reads it")
            .output("analyst", Type::METRICS, "what the quantized model has to know of its own use: `analyst.json`")
            .output("analyst_original", Type::METRICS, "the same for the model before quantization")
            .resources(2, 2 << 30)
    }

    fn run(params: EvaluateParams, context: &Context) -> Result<(), StageError> {
        tch::set_num_threads(params.threads as i32);
        tch::no_grad(|| run(&params, context))
    }
}

fn run(params: &EvaluateParams, context: &Context) -> Result<(), StageError> {
    let requirements = Requirement::read(&params.require)?;
    let (model_path, quantized_path) = (context.input("model")?, context.input("quantized")?);
    let (tokens_path, dataset_path) = (context.input("tokens")?, context.input("dataset")?);
    let history: Option<HistoryFile> = optional_json(context, "history")?;
    let layers: Option<LayersReport> = optional_json(context, "layers")?;
    let data = Data::read(dataset_path)?;
    let material = Material::read(tokens_path, dataset_path, params)?;
    let source = ModelSource::open(model_path)?;
    let original = Llama::read(&source, Placement::CPU)?;
    let directory = GptqDirectory::open(quantized_path)?;
    directory.notice().into_iter().for_each(|notice| context.warn(notice));
    let quantized = llama::weights::dequantize(&directory, Placement::CPU)?;
    if original.config.vocab_size != quantized.config.vocab_size {
        return Err(StageError::invalid_input("`model` and `quantized` have different vocabularies")
            .help("wire the model that was quantized"));
    }
    material.check(&original)?;
    let encoder = ChatEncoder::load(tokens_path)?;
    let positions = original.config.max_position_embeddings as usize;
    let reports = context.optional_input("reports");
    let reports = reports.map(|path| Reports::read(path, &encoder, positions, params)).transpose()?;
    let sizes = sizes(&source, quantized_path, context.optional_input("gguf"))?;
    let models = Models { original: &original, quantized: &quantized, encoder: &encoder };
    let mut done = evaluation::evaluate(&models, &material, reports.as_ref(), sizes, params, context)?;
    done.metrics.requirements = requirements.iter().map(|requirement| requirement.check(&done.metrics)).collect();

    let Evaluation { metrics, original, quantized, .. } = &done;
    say(&done, context);
    write_json(context.output("metrics")?, metrics)?;
    let answers = Shown::choose(&material.questions, original, quantized);
    let job = &context.job().params;
    let report = Report { metrics, params: job, history: history.as_ref(), layers: layers.as_ref(), answers };
    write(context.output("report")?, &report.page())?;
    write(context.output("model_card")?, &model_card::of(metrics, &data, params))?;
    for (port, settings) in ["analyst_original", "analyst"].into_iter().zip(&done.settings) {
        write(context.output(port)?, &(settings.to_json() + "\n"))?;
    }
    // Last: figures and page are what shows why.
    requirements::enforce(&metrics.requirements)
}

fn sizes(model: &ModelSource, quantized: &Path, gguf: Option<&Path>) -> Result<Sizes, StageError> {
    let size = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len()).at(path);
    Ok(Sizes {
        original: model.bytes()?,
        gptq: size(&quantized.join(gptq::write::WEIGHTS))?,
        gguf: gguf.map(size).transpose()?,
    })
}

/// The headline figures, into the record.
fn say(done: &Evaluation, context: &Context) {
    let Metrics { original, quantized, drift, out_of_domain, baselines, .. } = &done.metrics;
    for ((side, figures), speed) in [("original", original), ("quantized", quantized)].into_iter().zip(&done.speeds) {
        context.metric(&format!("{side}_perplexity"), figures.likelihood.answers.perplexity.value);
        context.metric(&format!("{side}_bits_per_byte"), figures.likelihood.answers.bits_per_byte);
        for (name, figure) in &figures.answers.mean {
            context.metric(&format!("{side}_{name}"), figure.value);
        }
        context.metric(&format!("{side}_tokens_per_second"), speed.tokens);
        for percent in [50, 90] {
            if let Some(elapsed) = nearest_rank(&speed.alone, percent) {
                context.metric(&format!("{side}_answer_ms_p{percent}"), elapsed);
            }
        }
    }
    for (baseline, figures) in baselines {
        for name in ["severity_macro_f1", "risk_mae"] {
            if let Some(figure) = figures.mean.get(name) {
                context.metric(&format!("{baseline}_{name}"), figure.value);
            }
        }
    }
    context.metric("kl", drift.answers.kl_mean);
    context.metric("top1_agreement", drift.answers.top1_agreement);
    context.metric("out_of_domain_kl", out_of_domain.drift.kl_mean);
    let missed = done.metrics.requirements.iter().filter(|outcome| !outcome.met).count();
    context.metric("missed_requirements", missed as f64);
}

fn optional_json<T: DeserializeOwned>(context: &Context, port: &str) -> Result<Option<T>, StageError> {
    let Some(path) = context.optional_input(port) else { return Ok(None) };
    let bytes = std::fs::read(path).at(path)?;
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|e| {
        StageError::invalid_input(format!("input `{port}`: {e}"))
            .help("`history` takes the figures of `train`, `layers` those of `quantize`")
    })
}

fn write_json(path: &Path, metrics: &Metrics) -> Result<(), StageError> {
    let text = serde_json::to_string_pretty(metrics).map_err(|e| StageError::bug(format!("metrics: {e}")))?;
    write(path, &(text + "\n"))
}

fn write(path: &Path, text: &str) -> Result<(), StageError> {
    std::fs::write(path, text).at(path)
}
