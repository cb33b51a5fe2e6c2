//! Card and run of the stage.

use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use dataset::Split;
use draws::{Stream, permutation};
use formats::gptq;
use formats::gptq::GptqDirectory;
use formats::history::HistoryFile;
use formats::{LayersReport, ModelSource};
use llama::{Llama, Placement};
use serde::de::DeserializeOwned;
use statistics::Bootstrap;
use tokens::{ChatEncoder, EncodedSplit, Manifest};

use crate::generation::{self, Answers};
use crate::metrics::{Baseline, Metrics, ModelFigures, Sizes};
use crate::params::EvaluateParams;
use crate::report::{Example, Report};
use crate::samples::{self, Sample};
use crate::{answer, gates, likelihood};

/// Examples shown in the report.
const SHOWN: usize = 6;

/// Measures the quantized model beside the original.
pub struct Evaluate;

impl Stage for Evaluate {
    type Params = EvaluateParams;

    fn card() -> Card {
        Card::new("evaluate", 2)
            .summary("Measures the quantized model beside the original, and holds it to quality gates")
            .worker("pipe-torch")
            .input("model", Type::HF_MODEL, "the model before quantization")
            .input("quantized", Type::GPTQ_MODEL, "the quantized model")
            .optional_input("gguf", Type::GGUF, "its GGUF; only its size is taken")
            .input("tokens", Type::TOKENS, "encoded splits; the test split is used")
            .input("dataset", Type::DATASET, "the same splits as text, with the true answers")
            .optional_input("history", Type::METRICS, "from `train`: the loss curve for the report")
            .optional_input("layers", Type::METRICS, "from `quantize`: the errors of layers for the report")
            .output("metrics", Type::METRICS, "every figure, with 95 % intervals")
            .output("report", Type::REPORT, "the figures as one self-contained page")
            .resources(2, 2 << 30)
    }

    fn run(params: EvaluateParams, context: &Context) -> Result<(), StageError> {
        tch::set_num_threads(params.threads as i32);
        tch::no_grad(|| run(&params, context))
    }
}

fn run(params: &EvaluateParams, context: &Context) -> Result<(), StageError> {
    let (model_path, quantized_path) = (context.input("model")?, context.input("quantized")?);
    let (tokens_path, dataset_path) = (context.input("tokens")?, context.input("dataset")?);
    let history: Option<HistoryFile> = optional_json(context, "history")?;
    let layers: Option<LayersReport> = optional_json(context, "layers")?;
    let source = ModelSource::open(model_path)?;
    let original = Llama::read(&source, Placement::CPU)?;
    let directory = GptqDirectory::open(quantized_path)?;
    directory.notice().into_iter().for_each(|notice| context.warn(notice));
    let quantized = llama::weights::dequantize(&directory, Placement::CPU)?;
    if original.config.vocab_size != quantized.config.vocab_size {
        return Err(StageError::invalid_input("`model` and `quantized` have different vocabularies")
            .help("wire the model that was quantized"));
    }
    let encoder = ChatEncoder::load(tokens_path)?;
    let stop = Manifest::load(tokens_path)?.stop;
    let split = EncodedSplit::load(tokens_path, Split::Test)?;
    let mut stream = Stream::seeded(params.seed);
    let chosen = permutation(split.len(), |bound| stream.index(bound));
    let chosen = &chosen[..chosen.len().min(params.examples.max(params.samples) as usize)];
    let samples = samples::read(&split, &samples::lines(dataset_path, Split::Test)?, chosen)?;
    check_samples(&samples, &original)?;
    let measured = &samples[..samples.len().min(params.examples as usize)];
    let asked = &samples[..samples.len().min(params.samples as usize)];
    let bootstrap = Bootstrap::new(params.seed);

    let traces = likelihood::traces(&original, &quantized, measured, context)?;
    let answer_all = |model: &Llama| {
        let limits = generation::limits(model, &stop, params.max_new_tokens as usize);
        generation::generate(model, asked, &limits, encoder.tokenizer(), context)
    };
    let (first, second) = (answer_all(&original)?, answer_all(&quantized)?);
    let likelihood = |loss: fn(&likelihood::Trace) -> &[f32]| {
        likelihood::figures(measured, &traces, loss, encoder.tokenizer(), &bootstrap)
    };
    let mut metrics = Metrics {
        examples: measured.len(),
        original: ModelFigures {
            likelihood: likelihood(|trace| &trace.original)?,
            generation: generation::judge(asked, &first.texts, &bootstrap),
        },
        quantized: ModelFigures {
            likelihood: likelihood(|trace| &trace.quantized)?,
            generation: generation::judge(asked, &second.texts, &bootstrap),
        },
        drift: likelihood::drift(&traces),
        baseline: baseline(&samples::lines(dataset_path, Split::Train)?, asked),
        sizes: sizes(&source, quantized_path, context.optional_input("gguf"))?,
        gates: Vec::new(),
    };
    metrics.gates = params.gates.check(&metrics);
    say(&metrics, [&first, &second], context);
    // Before anything is written: figures that cross a gate must not be taken for a result. The log has them.
    gates::enforce(&metrics.gates)?;
    write_json(context.output("metrics")?, &metrics)?;
    let examples = Example::first(SHOWN, asked, &first.texts, &second.texts);
    let report = Report { metrics: &metrics, history: history.as_ref(), layers: layers.as_ref(), examples };
    let path = context.output("report")?;
    std::fs::write(path, report.page()).at(path)
}

/// Refuses samples that the model cannot read.
fn check_samples(samples: &[Sample], model: &Llama) -> Result<(), StageError> {
    let config = &model.config;
    if samples.is_empty() {
        return Err(StageError::invalid_input("the test split of the tokens is empty"));
    }
    let longest = samples.iter().map(|sample| sample.ids.len()).max().unwrap_or(0) as i64;
    if longest > config.max_position_embeddings {
        let message = format!("a test example has {longest} tokens, the model sees {}", config.max_position_embeddings);
        return Err(StageError::invalid_input(message).help("wire the tokens that the model was trained on"));
    }
    let foreign =
        samples.iter().flat_map(|sample| &sample.ids).find(|&&id| i64::from(id) >= config.vocab_size || id < 0);
    match foreign {
        Some(id) => Err(StageError::invalid_input(format!("test token {id} lies outside the model's vocabulary"))
            .help("wire the tokens that the model was trained on")),
        None => Ok(()),
    }
}

fn baseline(training: &[samples::Line], asked: &[Sample]) -> Option<Baseline> {
    let (severity, training_share) = samples::majority(training)?;
    let truths: Vec<_> = asked.iter().filter_map(|sample| answer::severity(&sample.truth)).collect();
    let right = truths.iter().filter(|truth| **truth == severity).count();
    let accuracy = right as f64 / truths.len().max(1) as f64;
    Some(Baseline { severity: severity.name().to_owned(), training_share, accuracy })
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
fn say(metrics: &Metrics, answers: [&Answers; 2], context: &Context) {
    let sides = [("original", &metrics.original, answers[0]), ("quantized", &metrics.quantized, answers[1])];
    for (side, figures, answers) in sides {
        context.metric(&format!("{side}_perplexity"), figures.likelihood.answers.perplexity.value);
        context.metric(&format!("{side}_bits_per_byte"), figures.likelihood.answers.bits_per_byte);
        context.metric(&format!("{side}_valid_json"), figures.generation.valid.value);
        context.metric(&format!("{side}_terminated"), figures.generation.terminated.value);
        if let Some(severity) = &figures.generation.severity {
            context.metric(&format!("{side}_severity_accuracy"), severity.accuracy.value);
        }
        if let Some(error) = &figures.generation.risk_error {
            context.metric(&format!("{side}_risk_error"), error.value);
        }
        context.metric(&format!("{side}_tokens_per_second"), answers.tokens as f64 / answers.elapsed.as_secs_f64());
    }
    context.metric("kl", metrics.drift.answers.kl_mean);
    context.metric("top1_agreement", metrics.drift.answers.top1_agreement);
    if let Some(baseline) = &metrics.baseline {
        context.metric("majority_accuracy", baseline.accuracy);
    }
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
    std::fs::write(path, text + "\n").at(path)
}
