//! The stage on a micro model: its figures against plain computations, its report, its gates.

#[path = "../../quantize/tests/quantize/micro.rs"]
mod micro;

use std::path::{Path, PathBuf};

use contract::{Stage, StageError, Type};
use dataset::Split;
use draws::{Stream, permutation};
use evaluate::params::SamplingParams;
use evaluate::samples::{Example, Hosts};
use evaluate::scores::Resamples;
use evaluate::{Evaluate, EvaluateParams, Metrics, likelihood, samples};
use formats::gptq::GptqDirectory;
use llama::{Llama, Placement};
use micro::Micro;
use quantize::{Quantize, QuantizeParams};
use serde_json::Value;
use tch::{Kind, Tensor};
use tokens::{ChatEncoder, EncodedSplit};

/// A micro world with a quantized model in it.
fn world() -> Micro {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let params = serde_json::to_value(QuantizeParams { threads: 1, ..QuantizeParams::default() }).unwrap();
    let inputs = [("model", Type::HF_MODEL, model), ("tokens", Type::TOKENS, micro.path("tokens"))];
    let outputs = [("gptq", micro.path("gptq")), ("model", micro.path("model.gguf")), ("layers", micro.path("layers"))];
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
        ("gguf", Type::GGUF, micro.path("model.gguf")),
        ("tokens", Type::TOKENS, micro.path("tokens")),
        ("dataset", Type::DATASET, micro.path("dataset")),
        ("layers", Type::METRICS, micro.path("layers")),
    ];
    let reports = micro.path("reports");
    let reports = reports.exists().then_some(("reports", Type::DATASET, reports));
    let inputs: Vec<_> = inputs.into_iter().chain(reports).collect();
    let outputs = ["metrics", "report", "model_card", "analyst", "analyst_original"].map(|port| (port, out.join(port)));
    micro.run::<Evaluate>(serde_json::to_value(params).unwrap(), &inputs, &outputs)?;
    Ok(out)
}

/// The test examples at `indices`.
fn examples(micro: &Micro, indices: &[usize]) -> Vec<Example> {
    let split = EncodedSplit::load(&micro.path("tokens"), Split::Test).unwrap();
    let lines = samples::lines(&micro.path("dataset"), Split::Test).unwrap();
    samples::examples(&split, &lines, indices, &mut Hosts::default()).unwrap()
}

/// Encodes the dataset anew after its lines were changed.
fn tokenize(micro: &Micro) {
    std::fs::remove_dir_all(micro.path("tokens")).unwrap();
    let params = serde_json::json!({"vocab_size": 320, "max_length": 160, "learn": "all", "may_be_empty": []});
    let inputs = [("dataset", Type::DATASET, micro.path("dataset"))];
    micro.run::<tokenize::Tokenize>(params, &inputs, &[("tokens", micro.path("tokens"))]).unwrap();
}

/// Changes every line of a split.
fn change(micro: &Micro, split: Split, change: impl Fn(usize, &mut Value)) {
    let path = micro.path("dataset").join(format!("{split}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.lines().enumerate().map(|(number, line)| {
        let mut line = serde_json::from_str(line).unwrap();
        change(number, &mut line);
        line.to_string() + "\n"
    });
    std::fs::write(&path, changed.collect::<String>()).unwrap();
}

fn metrics(out: &Path) -> Metrics {
    serde_json::from_slice(&std::fs::read(out.join("metrics")).unwrap()).unwrap()
}

/// Mean loss of the answers of `samples`, one example at a time, without padding or tricks.
fn plain_loss(model: &Llama, samples: &[Example]) -> f64 {
    let (mut nats, mut tokens) = (0.0, 0);
    for sample in samples {
        let ids: Vec<i64> = sample.ids.iter().map(|&id| i64::from(id)).collect();
        let logits = model.forward(&Tensor::from_slice(&ids).unsqueeze(0)).squeeze_dim(0).to_kind(Kind::Double);
        let log = logits.log_softmax(-1, Kind::Double);
        for (place, id) in ids.iter().enumerate().filter(|(place, _)| sample.answer[*place]) {
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
    let samples = examples(&micro, &order[..8]);
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
        assert!(found.low.unwrap() <= found.value && found.value <= found.high.unwrap());
    }
    assert_eq!((metrics.examples, metrics.original.answers.questions), (8, 5));
    assert!(metrics.drift.answers.kl_mean > 0.0 && metrics.drift.answers.kl_mean < 0.1, "{:?}", metrics.drift);
    let outside = &metrics.out_of_domain;
    assert!(outside.drift.tokens > 1000 && outside.drift.kl_p99 >= outside.drift.kl_p50, "{outside:?}");
    // What the rule says is right, and a fresh model knows nothing that the majority does not.
    assert_eq!(metrics.rule.mean["severity_macro_f1"].value, 1.0);
    assert!(metrics.baselines["majority"].mean["schema_conformance"].value == 1.0);
    assert_eq!(metrics.quantized.answers.mean["risk_mae"].value, metrics.original.answers.mean["risk_mae"].value);
}

#[test]
fn a_model_does_not_stray_from_itself() {
    let micro = world();
    let model = Llama::load(&micro.path("model"), Placement::CPU).unwrap();
    let samples = examples(&micro, &[0, 3, 5]);
    let context = micro.context_of(Evaluate::card(), &serde_json::Value::Null, &[], &[]);
    let traces = likelihood::traces(&model, &model, &samples, &context).unwrap();
    let drift = likelihood::drift(&traces);
    assert_eq!((drift.all.kl_max, drift.all.top1_agreement), (0.0, 1.0));
    assert_eq!(drift.all.tokens, samples.iter().map(|sample| sample.ids.len() - 1).sum::<usize>());
    // Bits a byte: the same nats, over the bytes of the answers' text.
    let tokenizer = ChatEncoder::load(&micro.path("tokens")).unwrap();
    let resamples = Resamples::new(1, 3);
    let figures = likelihood::figures(&samples, &traces, |trace| &trace.original, tokenizer.tokenizer(), &resamples);
    let answers = figures.unwrap().answers;
    let lines = samples::lines(&micro.path("dataset"), Split::Test).unwrap();
    let bytes: usize = samples.iter().flat_map(|sample| lines[sample.line].turns()).map(|turn| turn.answer.len()).sum();
    let bits = plain_loss(&model, &samples) * answers.tokens as f64 / std::f64::consts::LN_2;
    assert!((answers.bits_per_byte / (bits / bytes as f64) - 1.0).abs() < 1e-4);
}

#[test]
fn one_seed_gives_the_same_bytes_and_a_page_that_needs_nothing_else() {
    let micro = world();
    let outs = ["a", "b"].map(|name| evaluate(&micro, name, &params()).unwrap());
    for port in ["metrics", "report", "model_card", "analyst", "analyst_original"] {
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
fn sampled_answers_repeat_with_the_seed_and_are_said_to_be_sampled() {
    let micro = world();
    let sampled = |temperature, top_k| {
        let top_k = std::num::NonZeroU32::new(top_k);
        EvaluateParams { sampling: Some(SamplingParams { temperature, top_k, top_p: Some(0.95) }), ..params() }
    };
    let outs = ["a", "b"].map(|name| evaluate(&micro, name, &sampled(1.5, 40)).unwrap());
    for port in ["metrics", "report", "model_card"] {
        let bytes = outs.clone().map(|out| std::fs::read(out.join(port)).unwrap());
        assert_eq!(bytes[0], bytes[1], "{port}");
    }
    let words = "sampled (temperature 1.5, top_k 40, top_p 0.95, seed 42)";
    for port in ["report", "model_card"] {
        let text = std::fs::read_to_string(outs[0].join(port)).unwrap();
        assert!(text.contains(words), "{port} does not say it");
    }
    let shown = |out: &Path| {
        let page = std::fs::read_to_string(out.join("report")).unwrap();
        page.split("Some answers").nth(1).unwrap().split("<h2>").next().unwrap().to_owned()
    };
    let greedy = evaluate(&micro, "greedy", &params()).unwrap();
    assert_ne!(shown(&outs[0]), shown(&greedy));
    assert!(metrics(&greedy).sampling.is_none());
    // Of one token there is nothing to draw.
    let one = evaluate(&micro, "one", &sampled(1.5, 1)).unwrap();
    assert_eq!(shown(&one), shown(&greedy));
    assert_eq!(metrics(&one).quantized, metrics(&greedy).quantized);
}

#[test]
fn a_required_figure_that_is_not_met_fails_the_stage_after_everything_is_written() {
    let micro = world();
    let require = |all: &[(&str, &str)]| EvaluateParams {
        require: all.iter().map(|(figure, text)| ((*figure).to_owned(), (*text).to_owned())).collect(),
        ..params()
    };
    let missed = require(&[
        ("kl_mean", "<= 1e-9"),
        ("valid_json", ">= 0.5"),
        ("top1_agreement", ">= 0.1"),
        ("triage.exact", ">= 0"),
    ]);
    let error = evaluate(&micro, "out", &missed).unwrap_err();
    assert!(error.message.contains("kl_mean is required <= 1e-9, measured 0.0"), "{error}");
    assert!(error.message.contains("valid_json is required >= 0.5, measured 0.000000"), "{error}");
    assert!(error.message.contains("triage.exact is required >= 0, not measured"), "{error}");
    assert!(!error.message.contains("top1_agreement"), "{error}");
    let kept = metrics(&micro.path("out"));
    assert_eq!(kept.requirements.iter().filter(|outcome| !outcome.met).count(), 3);
    let page = std::fs::read_to_string(micro.path("out").join("report")).unwrap();
    assert!(page.contains("required, not met</span> kl_mean is required &lt;= 1e-9"));

    let out = evaluate(&micro, "kept", &require(&[("out_of_domain.kl_mean", "< 1")])).unwrap();
    assert!(metrics(&out).requirements.iter().all(|outcome| outcome.met));
    let error = evaluate(&micro, "none", &require(&[("accuracy", "> 0")])).unwrap_err();
    assert!(error.message.contains("there is no figure `accuracy`"), "{error}");
}

#[test]
fn tasks_are_drawn_alike_and_each_has_its_figures() {
    let micro = world();
    // Eight of ten lines are of one task.
    change(&micro, Split::Test, |number, line| {
        if number < 2 {
            line["task"] = "triage".into();
        }
    });
    let metrics = metrics(&evaluate(&micro, "out", &EvaluateParams { samples: 4, ..params() }).unwrap());
    let tasks = &metrics.original.answers.tasks;
    assert_eq!(
        tasks.iter().map(|(name, task)| (name.as_str(), task.questions)).collect::<Vec<_>>(),
        [("finding", 2), ("triage", 2)]
    );
    let of = |task: &str| tasks[task].figures["risk_mae"].value;
    assert!((metrics.original.answers.mean["risk_mae"].value - (of("finding") + of("triage")) / 2.0).abs() < 1e-9);
    // Training has no triage, so the majority has nothing to say about it.
    assert_eq!(metrics.baselines["majority"].tasks["triage"].figures["valid_json"].value, 0.0);
}

#[test]
fn data_without_tasks_json_or_hosts_have_the_figures_of_texts_turn_by_turn() {
    let micro = world();
    for split in Split::ALL {
        change(&micro, split, |number, line| {
            let more = [("user", "And then?".to_owned()), ("assistant", format!("Close port {number}."))];
            let more = more.map(|(role, content)| serde_json::json!({"role": role, "content": content}));
            line["messages"].as_array_mut().unwrap().extend(more);
            line["messages"][2]["content"] = "The port is open.".into();
            let fields = line.as_object_mut().unwrap();
            fields.remove("task");
            fields.remove("host");
        });
    }
    tokenize(&micro);
    let metrics = metrics(&evaluate(&micro, "out", &EvaluateParams { samples: 7, ..params() }).unwrap());
    let text = &metrics.original.answers.tasks["text"];
    // Both answers of three conversations, and one of a fourth.
    assert_eq!((text.questions, text.figures["word_f1"].hosts), (7, 4));
    assert!(!text.figures.contains_key("valid_json"));
    assert_eq!(metrics.rule.mean["exact"].value, 1.0);
    assert!(metrics.baselines["nearest"].mean["word_f1"].value > 0.5);
    assert!(!metrics.baselines.contains_key("table"));
    assert!(metrics.original.likelihood.answers.tokens > 0);
}

#[test]
fn reports_are_asked_about_by_scanner_and_never_called_held_out_when_they_are_not() {
    let micro = world();
    std::fs::create_dir(micro.path("reports")).unwrap();
    let line = |prompt: &str| {
        let answer = r#"{"risk":10,"severity":"low","rationale":"r"}"#;
        let message = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
        serde_json::json!({
            "messages": [message("system", "Judge the finding."), message("user", prompt), message("assistant", answer)],
            "task": "finding", "host": "real",
        })
        .to_string() + "\n"
    };
    for (split, prompts) in
        [("train", &["ioc: a", "ioc: b", "ioc: c"][..]), ("validation", &["tcp LISTEN 8000"]), ("test", &[])]
    {
        let text: String = prompts.iter().map(|prompt| line(prompt)).collect();
        std::fs::write(micro.path("reports").join(format!("{split}.jsonl")), text).unwrap();
    }
    let standing = evaluate::params::Standing::KnownToTheSimulator;
    let out = evaluate(&micro, "out", &EvaluateParams { reports_standing: standing, samples: 3, ..params() }).unwrap();
    let metrics = metrics(&out);
    let reports = metrics.reports.unwrap();
    let asked: Vec<_> =
        reports.scanners.iter().map(|(name, of)| (name.as_str(), of.questions, of.seen_in_training)).collect();
    assert_eq!(asked, [("ioc", 2, 0.0), ("tcp LISTEN 8000", 1, 1.0)]);
    assert!((reports.seen_in_training - 1.0 / 3.0).abs() < 1e-9);
    // Most of training is low.
    assert_eq!(reports.scanners["ioc"].severity_accuracy["majority"].value, 1.0);
    let page = std::fs::read_to_string(out.join("report")).unwrap();
    assert!(page.contains("known to the simulator") && !page.contains("<strong>held out"));
}

#[test]
fn a_dataset_without_its_training_split_is_refused() {
    let micro = world();
    std::fs::write(micro.path("dataset").join("train.jsonl"), "").unwrap();
    let error = evaluate(&micro, "out", &params()).unwrap_err();
    assert!(error.message.contains("no baseline can be made"), "{error}");
}

#[test]
fn a_dataset_of_other_tokens_is_refused() {
    let micro = world();
    std::fs::write(micro.path("dataset").join("test.jsonl"), "").unwrap();
    let error = evaluate(&micro, "out", &params()).unwrap_err();
    assert!(error.message.contains("the dataset has no such line"), "{error}");
}
