//! The page and the model card of fixed figures. Figures themselves differ in their last digits between processors, so these are what
//! can be held to a digest: when one moves, raise the card's version and put the new one here.

use std::collections::BTreeMap;

use contract::Digest;
use evaluate::metrics::{
    AnswerFigures, Comparison, Drift, DriftFigures, Figure, Likelihood, LikelihoodFigures, Metrics, ModelFigures,
    OutOfDomain, ReportFigures, ScannerFigures, Sizes, TaskFigures, Verdict,
};
use evaluate::model_card::{self, Data};
use evaluate::params::{EvaluateParams, Standing};
use evaluate::report::Report;
use evaluate::requirements::Outcome;
use formats::history::{EvaluationPoint, History, HistoryFile, StepPoint};
use formats::{LayerReport, LayersReport};
use schemars::schema_for;

fn history() -> HistoryFile {
    let step = |step: u64| {
        let loss = 8.0 / step as f64;
        StepPoint { step, loss, rate: 1e-4, gradient_norm: 1.0, tokens: 100, targets: 50 }
    };
    let evaluations = vec![EvaluationPoint { step: 10, loss: 0.75 }];
    HistoryFile {
        kept_step: None,
        ended_early: false,
        base: None,
        params: serde_json::Value::Null,
        parameters: 1000,
        examples: 40,
        total_steps: 10,
        total_tokens: 1000,
        total_targets: 500,
        curve: History { steps: (1..=10).map(step).collect(), evaluations },
    }
}

fn layers() -> LayersReport {
    let layer = |module: &str, relative_error| LayerReport {
        module: module.to_owned(),
        rows: 64,
        columns: 64,
        damping: 0.01,
        dead_columns: 0,
        loss: 1.0,
        relative_error,
        nearest_relative_error: 0.0040,
        negative_scales: 0.5,
    };
    LayersReport {
        calibration_samples: 1,
        calibration_tokens: 1,
        mean_relative_error: 0.0006,
        mean_nearest_relative_error: 0.0040,
        gptq_bytes: 1,
        gguf_bytes: 1,
        layers: vec![layer("model.layers.0.self_attn.q_proj", 0.0010), layer("model.layers.0.mlp.up_proj", 0.0002)],
    }
}

fn figure(value: f64) -> Figure {
    Figure { value, low: Some(value - 0.05), high: Some(value + 0.05), hosts: 12 }
}

fn answers(macro_f1: f64, risk: f64) -> AnswerFigures {
    let figures: BTreeMap<String, Figure> =
        [("severity_macro_f1".to_owned(), figure(macro_f1)), ("risk_mae".to_owned(), figure(risk))].into();
    let task = TaskFigures { questions: 60, figures: figures.clone() };
    AnswerFigures { questions: 60, tasks: [("finding".to_owned(), task)].into(), mean: figures, confusion: None }
}

fn metrics() -> Metrics {
    let likelihood = |value| Likelihood { tokens: 500, perplexity: figure(value), bits_per_byte: 0.25 };
    let model = |value, macro_f1| ModelFigures {
        likelihood: LikelihoodFigures { answers: likelihood(value), all: likelihood(9.0) },
        answers: answers(macro_f1, 4.0),
    };
    let drift = Drift { tokens: 500, kl_mean: 1e-4, kl_p50: 1e-6, kl_p99: 2e-3, kl_max: 0.5, top1_agreement: 0.9993 };
    let comparison = |against: &str, value: f64, verdict| Comparison {
        of: "quantized".to_owned(),
        against: against.to_owned(),
        task: "finding".to_owned(),
        figure: "severity_macro_f1".to_owned(),
        difference: figure(value),
        verdict,
    };
    let scanner = ScannerFigures {
        questions: 7,
        seen_in_training: 0.25,
        severity_accuracy: [("quantized".to_owned(), Figure { low: None, high: None, hosts: 1, value: 0.5 })].into(),
    };
    let mean = [("severity_accuracy".to_owned(), Figure { low: None, high: None, hosts: 1, value: 0.5 })].into();
    Metrics {
        version: 1,
        inputs: [("model".to_owned(), Digest::of(b"model").to_string())].into(),
        sampling: None,
        examples: 200,
        hosts: 12,
        original: model(2.5824, 0.9),
        quantized: model(2.584, 0.88),
        drift: DriftFigures { answers: drift, all: drift },
        out_of_domain: OutOfDomain {
            text: "plain <text>".to_owned(),
            original: likelihood(70.0),
            quantized: likelihood(71.0),
            drift,
        },
        rule: answers(1.0, 0.0),
        baselines: [("title".to_owned(), answers(0.86, 6.0)), ("majority".to_owned(), answers(0.3, 20.0))].into(),
        comparisons: vec![
            comparison("title", 0.02, Verdict::Undecided),
            comparison("majority", 0.58, Verdict::Better),
            comparison("original", -0.06, Verdict::Worse),
        ],
        constrained: None,
        gates: None,
        reports: Some(ReportFigures {
            standing: Standing::KnownToTheSimulator,
            hosts: 1,
            too_long: 2,
            seen_in_training: 0.25,
            scanners: [("network".to_owned(), scanner)].into(),
            mean: [("quantized".to_owned(), mean)].into(),
        }),
        sizes: Sizes { original: 18_631_568, gptq: 3_513_264, gguf: Some(3_448_928) },
        requirements: vec![
            Outcome {
                figure: "finding.risk_mae".to_owned(),
                required: "<= 3".to_owned(),
                value: Some(4.0),
                met: false,
            },
            Outcome { figure: "kl_mean".to_owned(), required: "<= 0.01".to_owned(), value: Some(1e-4), met: true },
        ],
    }
}

#[test]
fn the_page_of_fixed_figures_is_the_one_known() {
    let (metrics, history, layers) = (metrics(), history(), layers());
    let params = serde_json::to_value(EvaluateParams::default()).unwrap();
    let report = Report {
        metrics: &metrics,
        params: &params,
        history: Some(&history),
        layers: Some(&layers),
        answers: Vec::new(),
    };
    let page = report.page();
    for present in [
        "perplexity of answers 2.582 to 2.584 (+0.06 %)",
        "From 8.000 to 0.8000 in 10 steps, validation 0.7500.",
        "The worst of 2 layers is 0 self_attn.q_proj with 0.10 %; round-to-nearest gives 0.40 % there.",
        "required, not met</span> finding.risk_mae is required &lt;= 3, measured 4.000000",
        "not better than the baseline</span> finding, Severity, macro-F1: 0.880, Title lookup 0.860",
        "worse than before quantization</span> finding, Severity, macro-F1: 0.880, Original 0.900",
        "known to the simulator",
        "Out of domain: plain &lt;text&gt;.",
        "name=\"viewport\"",
    ] {
        assert!(page.contains(present), "the page lacks {present}");
    }
    let place = |text: &str| page.find(text).unwrap();
    assert!(place("<h2>Failures") < place("<h2>Answers"), "failures come first");
    assert_eq!(Digest::of(page.as_bytes()).short(), "b1bdbc32f6");
}

#[test]
fn the_model_card_of_fixed_figures_is_the_one_known() {
    let data = Data { license: Some("cc0-1.0".to_owned()), scans: Some(24), findings: Some(900) };
    let card = model_card::of(&metrics(), &data, &EvaluateParams::default());
    for present in [
        "---\nlicense: cc0-1.0\n",
        "made of 900 findings in 24 scans",
        "| Severity, macro-F1 | 0.900 [0.850, 0.950] | 0.880 [0.830, 0.930] | 0.300 [0.250, 0.350] | 0.860 [0.810, 0.910] |",
        "- Not shown to be better than a baseline: severity_macro_f1 of finding against `title`.",
        "- Required and not met: finding.risk_mae is required <= 3, measured 4.000000.",
        "known to the simulator, so not held out",
    ] {
        assert!(card.contains(present), "the card lacks {present}:\n{card}");
    }
    let nobody = model_card::of(&metrics(), &Data::default(), &EvaluateParams::default());
    assert!(nobody.starts_with("---\nlicense: other\nlicense_name: unknown\n"), "{nobody}");
    let own = EvaluateParams { license: "apache-2.0".to_owned(), ..EvaluateParams::default() };
    let own = model_card::of(&metrics(), &data, &own);
    assert!(own.contains("License of the model: apache-2.0; of the data: cc0-1.0."), "{own}");
    assert_eq!(Digest::of(card.as_bytes()).short(), "21da9e31c5");
}

#[test]
fn the_schema_of_the_metrics_is_that_of_their_type() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/evaluation.json");
    let schema = serde_json::to_string_pretty(&schema_for!(Metrics)).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), schema, "stale: run the test with UPDATE_SCHEMAS=1");
    let document = serde_json::to_value(metrics()).unwrap();
    let validator = jsonschema::validator_for(&serde_json::to_value(schema_for!(Metrics)).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}
