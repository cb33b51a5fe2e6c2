//! The page.

use formats::LayersReport;
use formats::history::HistoryFile;
use statistics::Estimate;

use super::format::{bytes, estimate, figure, percent};
use super::html::{Table, escape};
use super::{confusion_matrix, layer_errors, loss_curve};
use crate::generation::Text;
use crate::metrics::{GenerationFigures, Metrics, ModelFigures};
use crate::samples::Sample;

const STYLE: &str = include_str!("style.css");

/// The contents of a page.
pub struct Report<'a> {
    /// The figures.
    pub metrics: &'a Metrics,
    /// The course of training, when it is known.
    pub history: Option<&'a HistoryFile>,
    /// The errors of layers, when they are known.
    pub layers: Option<&'a LayersReport>,
    /// Some answers.
    pub examples: Vec<Example<'a>>,
}

/// One question and its answers.
pub struct Example<'a> {
    question: &'a str,
    truth: &'a str,
    original: &'a str,
    quantized: &'a str,
}

impl<'a> Example<'a> {
    /// The first `count` questions.
    pub fn first(count: usize, samples: &'a [Sample], original: &'a [Text], quantized: &'a [Text]) -> Vec<Example<'a>> {
        let answers = original.iter().zip(quantized);
        let example = |(sample, (original, quantized)): (&'a Sample, (&'a Text, &'a Text))| Example {
            question: sample.line.question(),
            truth: sample.line.answer(),
            original: &original.text,
            quantized: &quantized.text,
        };
        samples.iter().zip(answers).take(count).map(example).collect()
    }
}

impl Report<'_> {
    /// The whole page.
    pub fn page(&self) -> String {
        let sections = [
            self.lead(),
            self.gates(),
            self.figures(),
            self.drift(),
            self.confusions(),
            self.training(),
            self.layers(),
            self.answers(),
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

    fn gates(&self) -> String {
        if self.metrics.gates.is_empty() {
            return String::new();
        }
        let mut table = Table::new("Limits set in the pipeline", &["Gate", "Limit", "Measured", "Outcome"]);
        for gate in &self.metrics.gates {
            let outcome = match gate.passed {
                true => "<span class=\"good\">kept</span>",
                false => "<span class=\"bad\">crossed</span>",
            };
            table.row(&gate.gate, [figure(gate.limit), figure(gate.value), outcome.to_owned()]);
        }
        format!("<h2>Quality gates</h2>\n{}", table.markup())
    }

    fn figures(&self) -> String {
        let Metrics { original, quantized, sizes, examples, baseline, .. } = self.metrics;
        let caption = format!(
            "{examples} test examples, {} answers, greedy; small print: 95 % bootstrap interval",
            original.generation.answers
        );
        let mut table = Table::new(&caption, &["", "Original", "Quantized"]);
        let sides = [original, quantized];
        table.row("Perplexity, answers", sides.map(|side| estimate(&side.likelihood.answers.perplexity, figure)));
        table.row("Perplexity, all tokens", sides.map(|side| estimate(&side.likelihood.all.perplexity, figure)));
        table.row("Bits per byte, answers", sides.map(|side| figure(side.likelihood.answers.bits_per_byte)));
        table.row("Bits per byte, all tokens", sides.map(|side| figure(side.likelihood.all.bits_per_byte)));
        let shares = |name: &str, share: fn(&GenerationFigures) -> &Estimate| {
            (name.to_owned(), sides.map(|side| estimate(share(&side.generation), percent)))
        };
        let shares = [
            shares("Valid JSON", |generation| &generation.valid),
            shares("Ended by itself", |generation| &generation.terminated),
            shares("Equal to the true answer", |generation| &generation.exact),
        ];
        shares.into_iter().for_each(|(name, cells)| table.row(&name, cells));
        let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
        let accuracy = |side: &ModelFigures| Some(estimate(&side.generation.severity.as_ref()?.accuracy, percent));
        table.row("Severity right", sides.map(|side| or_dash(accuracy(side))));
        if let Some(baseline) = baseline {
            let name = format!("Severity right by always saying \"{}\"", baseline.severity);
            table.row(&name, [percent(baseline.accuracy), percent(baseline.accuracy)]);
        }
        let risk = |side: &ModelFigures| Some(estimate(side.generation.risk_error.as_ref()?, figure));
        table.row("Mean error of risk", sides.map(|side| or_dash(risk(side))));
        table.row("Weights", [bytes(sizes.original), bytes(sizes.gptq)]);
        table.row("Weights as GGUF", [or_dash(None), or_dash(sizes.gguf.map(bytes))]);
        format!("<h2>Original and quantized</h2>\n{}", table.markup())
    }

    fn drift(&self) -> String {
        let drift = &self.metrics.drift;
        let sides = [&drift.answers, &drift.all];
        let head = ["Divergence (KL, nats)", "Answers", "All tokens"];
        let mut table = Table::new("Next-token distributions of both models, token by token", &head);
        table.row("Mean", sides.map(|side| figure(side.kl_mean)));
        table.row("Median", sides.map(|side| figure(side.kl_p50)));
        table.row("99th percentile", sides.map(|side| figure(side.kl_p99)));
        table.row("Largest", sides.map(|side| figure(side.kl_max)));
        table.row("Same favourite", sides.map(|side| percent(side.top1_agreement)));
        table.row("Tokens", sides.map(|side| side.tokens.to_string()));
        format!("<h2>How far quantization moves the model</h2>\n{}", table.markup())
    }

    fn confusions(&self) -> String {
        let sides = [("original", &self.metrics.original), ("quantized", &self.metrics.quantized)];
        let figure = |(name, side): (&str, &ModelFigures)| {
            let severity = side.generation.severity.as_ref()?;
            let svg = confusion_matrix::svg(&severity.confusion, name);
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

    fn answers(&self) -> String {
        let example = |example: &Example| {
            let part = |name: &str, text: &str| format!("<dt>{name}</dt><dd><pre>{}</pre></dd>\n", escape(text));
            format!(
                "<dl>\n{}{}{}{}</dl>\n",
                part("Question", example.question),
                part("True answer", example.truth),
                part("Original", example.original),
                part("Quantized", example.quantized),
            )
        };
        let examples: String = self.examples.iter().map(example).collect();
        if examples.is_empty() { examples } else { format!("<h2>Some answers</h2>\n{examples}") }
    }
}
