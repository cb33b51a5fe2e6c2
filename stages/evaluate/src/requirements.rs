//! Figures that a pipeline requires: `require: {severity_macro_f1: ">= 0.8", out_of_domain.kl_mean: "<= 0.01"}`.
//!
//! A name is that of a figure of the quantized model: of the mean over tasks, or of one task (`finding.risk_mae`); with `original.`
//! before it, of the original. A figure that was not measured does not meet what is required of it.

use std::collections::BTreeMap;

use contract::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::Measure;
use crate::metrics::{Drift, Likelihood, Metrics, ModelFigures};

/// The figures of texts: perplexity is that of answers, the divergences too.
const OF_TEXT: [&str; 6] =
    ["perplexity", "perplexity_increase", "bits_per_byte", "kl_mean", "kl_p99", "top1_agreement"];

/// What is required of one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The figure.
    pub figure: String,
    comparison: Comparison,
    limit: f64,
    text: String,
}

/// How a figure is compared with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// A requirement and the figure it was held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The figure.
    pub figure: String,
    /// What is required of it.
    pub required: String,
    /// Its value, where it was measured.
    pub value: Option<f64>,
    /// Whether it is met.
    pub met: bool,
}

impl Requirement {
    /// Reads the param; every one that cannot be read is named.
    pub fn read(param: &BTreeMap<String, String>) -> Result<Vec<Requirement>, StageError> {
        let (mut read, mut wrong) = (Vec::new(), Vec::new());
        for (figure, text) in param {
            match Requirement::of(figure, text) {
                Ok(requirement) => read.push(requirement),
                Err(why) => wrong.push(why),
            }
        }
        if wrong.is_empty() {
            return Ok(read);
        }
        let measures: Vec<&str> = Measure::ALL.into_iter().map(Measure::name).collect();
        let help = format!(
            "write `figure: \">= 0.8\"` (or <=, >, <); figures: {}, {}, each also as `TASK.figure`, and `out_of_domain.` before \
             those of texts",
            OF_TEXT.join(", "),
            measures.join(", ")
        );
        Err(StageError::invalid_input(format!("param `require`: {}", wrong.join("; "))).help(help))
    }

    fn of(figure: &str, text: &str) -> Result<Requirement, String> {
        let trimmed = text.trim();
        let operators = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Above),
            ("<", Comparison::Below),
        ];
        let read = operators.iter().find_map(|(sign, comparison)| Some((trimmed.strip_prefix(sign)?, *comparison)));
        let limit = read.and_then(|(limit, _)| limit.trim().parse::<f64>().ok()).filter(|limit| limit.is_finite());
        let (Some((_, comparison)), Some(limit)) = (read, limit) else {
            return Err(format!("`{figure}: {text}` is no comparison with a number"));
        };
        if !is_known(figure) {
            return Err(format!("there is no figure `{figure}`"));
        }
        Ok(Requirement { figure: figure.to_owned(), comparison, limit, text: trimmed.to_owned() })
    }

    /// Holds the figure of `metrics` against it.
    pub fn check(&self, metrics: &Metrics) -> Outcome {
        let value = figure(metrics, &self.figure);
        let met = value.is_some_and(|value| match self.comparison {
            Comparison::AtLeast => value >= self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::Below => value < self.limit,
        });
        Outcome { figure: self.figure.clone(), required: self.text.clone(), value, met }
    }
}

/// The name without the model's, and the rest in parts.
fn parts(figure: &str) -> (bool, Option<&str>, &str) {
    let (of_original, rest) = match figure.strip_prefix("original.") {
        Some(rest) => (true, rest),
        None => (false, figure),
    };
    match rest.rsplit_once('.') {
        Some((scope, name)) => (of_original, Some(scope), name),
        None => (of_original, None, rest),
    }
}

fn is_known(figure: &str) -> bool {
    let (of_original, scope, name) = parts(figure);
    // The original strays from nothing.
    let of_one_model = matches!(name, "perplexity" | "bits_per_byte");
    match scope {
        None | Some("out_of_domain") if OF_TEXT.contains(&name) => !of_original || of_one_model,
        Some("reports") => name == Measure::SeverityAccuracy.name(),
        Some("out_of_domain") => false,
        None | Some(_) => Measure::named(name).is_some(),
    }
}

/// The figure of that name, where it was measured.
fn figure(metrics: &Metrics, figure: &str) -> Option<f64> {
    let (of_original, scope, name) = parts(figure);
    let (side, model) = if of_original { ("original", &metrics.original) } else { ("quantized", &metrics.quantized) };
    match scope {
        None if OF_TEXT.contains(&name) => {
            let likelihoods = [&metrics.original, model].map(|model: &ModelFigures| &model.likelihood.answers);
            of_text(name, likelihoods, &metrics.drift.answers)
        }
        None => model.answers.mean.get(name).map(|figure| figure.value),
        Some("out_of_domain") => {
            let outside = &metrics.out_of_domain;
            let of_model = if of_original { &outside.original } else { &outside.quantized };
            of_text(name, [&outside.original, of_model], &outside.drift)
        }
        Some("reports") => metrics.reports.as_ref()?.mean.get(side)?.get(name).map(|figure| figure.value),
        Some(task) => model.answers.tasks.get(task)?.figures.get(name).map(|figure| figure.value),
    }
}

fn of_text(name: &str, [original, model]: [&Likelihood; 2], drift: &Drift) -> Option<f64> {
    Some(match name {
        "perplexity" => model.perplexity.value,
        "perplexity_increase" => model.perplexity.value / original.perplexity.value - 1.0,
        "bits_per_byte" => model.bits_per_byte,
        "kl_mean" => drift.kl_mean,
        "kl_p99" => drift.kl_p99,
        "top1_agreement" => drift.top1_agreement,
        _ => return None,
    })
}

/// An error that names every requirement that is not met.
pub fn enforce(outcomes: &[Outcome]) -> Result<(), StageError> {
    let missed: Vec<String> = outcomes.iter().filter(|outcome| !outcome.met).map(Outcome::told).collect();
    if missed.is_empty() {
        return Ok(());
    }
    let help = "the report shows what went wrong; train longer, quantize in smaller groups, or change `require`";
    Err(StageError::invalid_input(format!("required figures are not met: {}", missed.join("; "))).help(help))
}

impl Outcome {
    /// `finding.risk_mae is required <= 5, measured 7.25`.
    pub fn told(&self) -> String {
        let measured = self.value.map_or_else(|| "not measured".to_owned(), |value| format!("measured {value:.6}"));
        format!("{} is required {}, {measured}", self.figure, self.required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(figure: &str, text: &str) -> Result<Vec<Requirement>, StageError> {
        Requirement::read(&[(figure.to_owned(), text.to_owned())].into())
    }

    #[test]
    fn what_cannot_be_required_is_refused_with_what_can() {
        for (figure, text) in [
            ("severity_macro_f1", ">= 0.8"),
            ("finding.risk_mae", "<5"),
            ("original.triage.exact", ">0.1"),
            ("out_of_domain.kl_p99", "<= 0.1"),
            ("perplexity_increase", "<= 0.02"),
            ("original.perplexity", "<= 3"),
            ("reports.severity_accuracy", ">= 0.5"),
        ] {
            assert_eq!(read(figure, text).unwrap()[0].figure, figure);
        }
        for (figure, text) in [
            ("severity", ">= 0.8"),
            ("exact", "0.8"),
            ("exact", ">= NaN"),
            ("exact", "=> 0.8"),
            ("original.kl_mean", "< 1"),
            ("out_of_domain.exact", "> 0"),
            ("reports.exact", "> 0"),
        ] {
            let error = read(figure, text).unwrap_err();
            assert!(error.message.contains(figure) && error.help.unwrap().contains("severity_macro_f1"), "{figure}");
        }
    }
}
