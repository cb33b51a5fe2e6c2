//! The stage on a micro model: its figures against plain computations, its report, its gates.

#[path = "../../quantize/tests/quantize/micro.rs"]
mod micro;

use std::path::{Path, PathBuf};

use contract::{Stage, StageError, Type};
use dataset::Split;
use draws::{Stream, permutation};
use evaluate::gates::Gates;
use evaluate::{Evaluate, EvaluateParams, Metrics, likelihood, samples};
use formats::gptq::GptqDirectory;
use llama::{Llama, Placement};
use micro::Micro;
use quantize::{Quantize, QuantizeParams};
use statistics::Bootstrap;
use tch::{Kind, Tensor};
use tokens::{ChatEncoder, EncodedSplit};

/// A micro world with a quantized model in it.
fn world() -> Micro {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let params = serde_json::to_value(QuantizeParams { threads: 1, ..QuantizeParams::default() }).unwrap();
    let inputs = [("model", Type::HF_MODEL, model), ("tokens", Type::TOKENS, micro.path("tokens"))];
    let outputs = ["gptq", "model", "layers"].map(|port| (port, micro.path(port)));
    micro.run::<Quantize>(params, &inputs, &outputs).unwrap();
    micro
}

fn params() -> EvaluateParams {
    EvaluateParams { examples: 8, samples: 5, max_new_tokens: 12, threads: 1, ..EvaluateParams::default() }
}

fn evaluate(micro: &Micro, name: &str, params: &EvaluateParams) -> Result<PathBuf, StageError> {
    let out = micro.path(name);
    std::fs::create_dir(&out).unwrap();
    let inputs = [
        ("model", Type::HF_MODEL, micro.path("model")),
        ("quantized", Type::GPTQ_MODEL, micro.path("gptq")),
        ("gguf", Type::GGUF, micro.path("model")),
        ("tokens", Type::TOKENS, micro.path("tokens")),
        ("dataset", Type::DATASET, micro.path("dataset")),
        ("layers", Type::METRICS, micro.path("layers")),
    ];
    let outputs = ["metrics", "report"].map(|port| (port, out.join(port)));
    micro.run::<Evaluate>(serde_json::to_value(params).unwrap(), &inputs, &outputs)?;
    Ok(out)
}

fn metrics(out: &Path) -> Metrics {
    serde_json::from_slice(&std::fs::read(out.join("metrics")).unwrap()).unwrap()
}

/// Mean loss of the answers of `samples`, one example at a time, without padding or tricks.
fn plain_loss(model: &Llama, samples: &[samples::Sample]) -> f64 {
    let (mut nats, mut tokens) = (0.0, 0);
    for sample in samples {
        let ids: Vec<i64> = sample.ids.iter().map(|&id| i64::from(id)).collect();
        let logits = model.forward(&Tensor::from_slice(&ids).unsqueeze(0)).squeeze_dim(0).to_kind(Kind::Double);
        let log = logits.log_softmax(-1, Kind::Double);
        for (place, id) in ids.iter().enumerate().skip(sample.question) {
            nats -= log.double_value(&[place as i64 - 1, *id]);
            tokens += 1;
        }
    }
    nats / f64::from(tokens)
}

#[test]
fn perplexities_are_those_of_a_plain_computation() {
    let micro = world();
    let out = evaluate(&micro, "out", &params()).unwrap();
    let metrics = metrics(&out);
    let split = EncodedSplit::load(&micro.path("tokens"), Split::Test).unwrap();
    let mut stream = Stream::seeded(params().seed);
    let order = permutation(split.len(), |bound| stream.index(bound));
    let lines = samples::lines(&micro.path("dataset"), Split::Test).unwrap();
    let samples = samples::read(&split, &lines, &order[..8]).unwrap();
    let models = [
        (Llama::load(&micro.path("model"), Placement::CPU).unwrap(), &metrics.original),
        (
            llama::weights::dequantize(&GptqDirectory::open(&micro.path("gptq")).unwrap(), Placement::CPU).unwrap(),
            &metrics.quantized,
        ),
    ];
    for (model, figures) in models {
        let expected = plain_loss(&model, &samples).exp();
        let found = figures.likelihood.answers.perplexity;
        assert!((found.value / expected - 1.0).abs() < 1e-4, "{found:?}, expected {expected}");
        assert!(found.low <= found.value && found.value <= found.high);
    }
    assert_eq!((metrics.examples, metrics.original.generation.answers), (8, 5));
    assert!(metrics.drift.answers.kl_mean > 0.0 && metrics.drift.answers.kl_mean < 0.1, "{:?}", metrics.drift);
    assert_eq!(metrics.baseline.unwrap().severity, "low");
}

#[test]
fn a_model_does_not_stray_from_itself() {
    let micro = world();
    let model = Llama::load(&micro.path("model"), Placement::CPU).unwrap();
    let split = EncodedSplit::load(&micro.path("tokens"), Split::Test).unwrap();
    let lines = samples::lines(&micro.path("dataset"), Split::Test).unwrap();
    let samples = samples::read(&split, &lines, &[0, 3, 5]).unwrap();
    let context = micro.context_of(Evaluate::card(), &serde_json::Value::Null, &[], &[]);
    let traces = likelihood::traces(&model, &model, &samples, &context).unwrap();
    let drift = likelihood::drift(&traces);
    assert_eq!((drift.all.kl_max, drift.all.top1_agreement), (0.0, 1.0));
    assert_eq!(drift.all.tokens, samples.iter().map(|sample| sample.ids.len() - 1).sum::<usize>());
    // Bits a byte: the same nats, over the bytes of the answers' text.
    let tokenizer = ChatEncoder::load(&micro.path("tokens")).unwrap();
    let figures =
        likelihood::figures(&samples, &traces, |trace| &trace.original, tokenizer.tokenizer(), &Bootstrap::new(1));
    let answers = figures.unwrap().answers;
    let bytes: usize = samples.iter().map(|sample| sample.line.answer().len()).sum();
    let bits = plain_loss(&model, &samples) * answers.tokens as f64 / std::f64::consts::LN_2;
    assert!((answers.bits_per_byte / (bits / bytes as f64) - 1.0).abs() < 1e-4);
}

#[test]
fn one_seed_gives_the_same_bytes_and_a_page_that_needs_nothing_else() {
    let micro = world();
    let outs = ["a", "b"].map(|name| evaluate(&micro, name, &params()).unwrap());
    for port in ["metrics", "report"] {
        let bytes = outs.clone().map(|out| std::fs::read(out.join(port)).unwrap());
        assert_eq!(bytes[0], bytes[1], "{port}");
    }
    let page = std::fs::read_to_string(outs[0].join("report")).unwrap();
    for absent in ["<script", "http:", "https:", "<link", "<img", "url("] {
        assert!(!page.contains(absent), "the page contains {absent}");
    }
    for present in ["<html lang=\"en\">", "prefers-color-scheme", "Relative error of each layer", "Perplexity, answers"]
    {
        assert!(page.contains(present), "the page lacks {present}");
    }
}

#[test]
fn a_crossed_gate_fails_with_figure_and_limit_and_leaves_no_result() {
    let micro = world();
    let gates = Gates { max_kl: Some(1e-9), min_valid: Some(0.5), min_top1_agreement: Some(0.1), ..Gates::default() };
    let error = evaluate(&micro, "out", &EvaluateParams { gates, ..params() }).unwrap_err();
    assert!(error.message.contains("max_kl is 0.000000001, measured 0.0"), "{error}");
    assert!(error.message.contains("min_valid is 0.5, measured 0.000000"), "{error}");
    assert!(!error.message.contains("min_top1_agreement"), "{error}");
    assert!(!micro.path("out").join("metrics").exists());

    let gates = Gates { max_kl: Some(1.0), ..Gates::default() };
    let out = evaluate(&micro, "kept", &EvaluateParams { gates, ..params() }).unwrap();
    assert!(metrics(&out).gates.iter().all(|gate| gate.passed && gate.gate == "max_kl"));
}

#[test]
fn a_dataset_of_other_tokens_is_refused() {
    let micro = world();
    std::fs::write(micro.path("dataset").join("test.jsonl"), "").unwrap();
    let error = evaluate(&micro, "out", &params()).unwrap_err();
    assert!(error.message.contains("the dataset has no such line"), "{error}");
}
