//! The page.

use formats::LayersReport;
use formats::history::HistoryFile;
use serde_json::Value;

use super::answers::Shown;
use super::format::{bytes, figure, percent};
use super::{answers, confusion_matrix, failures, layer_errors, loss_curve, policy, provenance, reality, tasks, texts};
use crate::metrics::{Metrics, ModelFigures};

const STYLE: &str = include_str!("style.css");

/// The contents of a page.
pub struct Report<'a> {
    /// The figures.
    pub metrics: &'a Metrics,
    /// The stage's params.
    pub params: &'a Value,
    /// The course of training, when it is known.
    pub history: Option<&'a HistoryFile>,
    /// The errors of layers, when they are known.
    pub layers: Option<&'a LayersReport>,
    /// Some answers, wrong ones first.
    pub answers: Vec<Shown<'a>>,
}

impl Report<'_> {
    /// The whole page.
    pub fn page(&self) -> String {
        let metrics = self.metrics;
        let sections = [
            self.lead(),
            failures::section(metrics),
            tasks::section(metrics),
            reality::section(metrics),
            policy::section(metrics),
            texts::section(metrics),
            self.confusions(),
            answers::section(&self.answers),
            self.training(),
            self.layers(),
            provenance::section(metrics, self.params),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Evaluation of the quantized model</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
            sections.concat(),
        )
    }

    fn lead(&self) -> String {
        let Metrics { original, quantized, drift, sizes, .. } = self.metrics;
        let perplexity = |figures: &ModelFigures| figures.likelihood.answers.perplexity.value;
        let (before, after) = (perplexity(original), perplexity(quantized));
        format!(
            "<h1>Evaluation of the quantized model</h1>\n<p class=\"lead\">Quantized from {} to {}: perplexity of answers {} to {} \
             ({:+.2} %), the same favourite on {} of answer tokens.</p>\n",
            bytes(sizes.original),
            bytes(sizes.gptq),
            figure(before),
            figure(after),
            100.0 * (after / before - 1.0),
            percent(drift.answers.top1_agreement),
        )
    }

    fn confusions(&self) -> String {
        let sides = [("original", &self.metrics.original), ("quantized", &self.metrics.quantized)];
        let figure = |(name, side): (&str, &ModelFigures)| {
            let svg = confusion_matrix::svg(side.answers.confusion.as_ref()?, name);
            Some(format!("<figure>\n{svg}<figcaption>{name}: rows true, columns answered</figcaption></figure>\n"))
        };
        let figures: String = sides.into_iter().filter_map(figure).collect();
        if figures.is_empty() {
            figures
        } else {
            format!("<h2>Severities</h2>\n<div class=\"pair\">\n{figures}</div>\n")
        }
    }

    fn training(&self) -> String {
        let Some((history, svg)) = self.history.and_then(|file| Some((file, loss_curve::svg(&file.curve)?))) else {
            return String::new();
        };
        format!(
            "<h2>Training</h2>\n<figure>\n{svg}<figcaption>Loss by step; line: training, dots: validation. {} parameters, {} examples, \
             {} tokens seen.</figcaption></figure>\n",
            history.parameters, history.examples, history.total_tokens
        )
    }

    fn layers(&self) -> String {
        let Some((report, svg)) = self.layers.and_then(|report| Some((report, layer_errors::svg(&report.layers)?)))
        else {
            return String::new();
        };
        format!(
            "<h2>Layers</h2>\n<figure>\n{svg}<figcaption>Squared error of each layer's output, relative to the output; thin bar: GPTQ \
             (mean {}), wide bar: round-to-nearest (mean {}).</figcaption></figure>\n",
            percent(report.mean_relative_error),
            percent(report.mean_nearest_relative_error),
        )
    }
}
