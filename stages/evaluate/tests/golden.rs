//! The page of fixed figures. Figures themselves differ in their last digits between processors, so the page is what can be held
//! to a digest: when it moves, raise the card's version and put the new one here.

use contract::Digest;
use evaluate::Metrics;
use evaluate::report::Report;
use formats::history::{EvaluationPoint, History, HistoryFile, StepPoint};
use formats::{LayerReport, LayersReport};

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

#[test]
fn the_page_of_fixed_figures_is_the_one_known() {
    let metrics: Metrics = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    let (history, layers) = (history(), layers());
    let report = Report { metrics: &metrics, history: Some(&history), layers: Some(&layers), examples: Vec::new() };
    let page = report.page();
    for present in [
        "perplexity of answers 2.582 to 2.584 (+0.06 %)",
        "From 8.000 to 0.8000 in 10 steps, validation 0.7500.",
        "The worst of 2 layers is 0 self_attn.q_proj with 0.10 %; round-to-nearest gives 0.40 % there.",
        "78 of 100 are right.",
        "Severity right by always saying &quot;low&quot;",
    ] {
        assert!(page.contains(present), "the page lacks {present}");
    }
    assert_eq!(Digest::of(page.as_bytes()).short(), "afcd1afd7f");
}
