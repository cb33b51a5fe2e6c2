//! Quality gates: limits on the quantized model that stop the pipeline.

use contract::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;

/// Limits; those left out are not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gates {
    /// By what share the perplexity of answers may rise: 0.02 is two percent.
    #[schemars(range(min = 0))]
    pub max_perplexity_increase: Option<f64>,
    /// Mean divergence from the original on answers, in nats.
    #[schemars(range(min = 0))]
    pub max_kl: Option<f64>,
    /// Share of answer tokens on which both models would go on alike.
    #[schemars(range(min = 0, max = 1))]
    pub min_top1_agreement: Option<f64>,
    /// Share of the quantized model's answers that are JSON of the right form.
    #[schemars(range(min = 0, max = 1))]
    pub min_valid: Option<f64>,
    /// Share of the quantized model's answers with the right severity.
    #[schemars(range(min = 0, max = 1))]
    pub min_severity_accuracy: Option<f64>,
}

/// One limit and the figure it was held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateOutcome {
    /// The param.
    pub gate: String,
    /// The figure.
    pub value: f64,
    /// The limit.
    pub limit: f64,
    /// Whether the figure keeps it.
    pub passed: bool,
}

impl Gates {
    /// Holds `metrics` against every limit that is set.
    pub fn check(&self, metrics: &Metrics) -> Vec<GateOutcome> {
        let (original, quantized) = (&metrics.original, &metrics.quantized);
        let perplexities =
            (original.likelihood.answers.perplexity.value, quantized.likelihood.answers.perplexity.value);
        let accuracy = quantized.generation.severity.as_ref().map_or(0.0, |severity| severity.accuracy.value);
        let at_most = [
            ("max_perplexity_increase", self.max_perplexity_increase, perplexities.1 / perplexities.0 - 1.0),
            ("max_kl", self.max_kl, metrics.drift.answers.kl_mean),
        ];
        let at_least = [
            ("min_top1_agreement", self.min_top1_agreement, metrics.drift.answers.top1_agreement),
            ("min_valid", self.min_valid, quantized.generation.valid.value),
            ("min_severity_accuracy", self.min_severity_accuracy, accuracy),
        ];
        let outcome = |gate: &str, value, limit, passed| GateOutcome { gate: gate.to_owned(), value, limit, passed };
        let upper = at_most
            .iter()
            .filter_map(|(gate, limit, value)| limit.map(|limit| outcome(gate, *value, limit, *value <= limit)));
        let lower = at_least
            .iter()
            .filter_map(|(gate, limit, value)| limit.map(|limit| outcome(gate, *value, limit, *value >= limit)));
        upper.chain(lower).collect()
    }
}

/// An error that names every limit crossed.
pub fn enforce(outcomes: &[GateOutcome]) -> Result<(), StageError> {
    let crossed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed)
        .map(|GateOutcome { gate, value, limit, .. }| format!("{gate} is {limit}, measured {value:.6}"))
        .collect();
    if crossed.is_empty() {
        return Ok(());
    }
    let help = "quantize with a smaller group_size or more calibration_samples, train longer, or loosen `gates`";
    Err(StageError::invalid_input(format!("quality gate crossed: {}", crossed.join("; "))).help(help))
}
