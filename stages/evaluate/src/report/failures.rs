//! What failed: required figures that are not met, baselines that are not beaten, what quantization made worse.

use super::format::of_measure;
use super::html::escape;
use crate::comparisons::MEAN;
use crate::measure::Measure;
use crate::metrics::{Comparison, Metrics, Verdict};

/// The section; it says so where nothing failed.
pub(super) fn section(metrics: &Metrics) -> String {
    let mut items = Vec::new();
    for outcome in metrics.requirements.iter().filter(|outcome| !outcome.met) {
        items.push(format!("<li><span class=\"bad\">required, not met</span> {}</li>\n", escape(&outcome.told())));
    }
    let of_quantized = metrics.comparisons.iter().filter(|comparison| comparison.of == "quantized");
    for comparison in of_quantized.filter(|comparison| comparison.task != MEAN) {
        items.extend(told(metrics, comparison));
    }
    let passed = metrics
        .requirements
        .iter()
        .filter(|outcome| outcome.met)
        .map(|outcome| format!("<li><span class=\"good\">required, met</span> {}</li>\n", escape(&outcome.told())));
    let passed: String = passed.collect();
    if items.is_empty() {
        let nothing = "Every required figure is met, every baseline is beaten on every task, and quantization made nothing worse.";
        return format!("<h2>Failures</h2>\n<p class=\"good\">{nothing}</p>\n{}", list(&passed));
    }
    format!("<h2>Failures</h2>\n<ul class=\"failures\">\n{}</ul>\n{}", items.concat(), list(&passed))
}

fn list(items: &str) -> String {
    if items.is_empty() { String::new() } else { format!("<ul class=\"failures\">\n{items}</ul>\n") }
}

fn told(metrics: &Metrics, comparison: &Comparison) -> Option<String> {
    let measure = Measure::named(&comparison.figure)?;
    let Comparison { against, task, difference, verdict, .. } = comparison;
    let by_quantization = against == "original";
    let failed = match verdict {
        Verdict::Better => return None,
        Verdict::Worse => "worse",
        Verdict::Undecided if by_quantization => return None,
        Verdict::Undecided => "not better",
    };
    if !by_quantization && !measure.is_headline() {
        return None;
    }
    let answers = |name: &str| match name {
        "original" => Some(&metrics.original.answers),
        "quantized" => Some(&metrics.quantized.answers),
        baseline => metrics.baselines.get(baseline),
    };
    let value = |name: &str| Some(answers(name)?.tasks.get(task)?.figures.get(&comparison.figure)?.value);
    let show = of_measure(measure);
    let (own, other) = (show(value(&comparison.of)?), show(value(against)?));
    let interval = match difference.low.zip(difference.high) {
        Some((low, high)) => format!("difference {} to {}", show(low), show(high)),
        None => "too few hosts for an interval".to_owned(),
    };
    let than = if by_quantization { "than before quantization" } else { "than the baseline" };
    Some(format!(
        "<li><span class=\"bad\">{failed} {than}</span> {}, {}: {own}, {} {other} ({interval})</li>\n",
        escape(task),
        measure.title(),
        escape(super::tasks::column(against)),
    ))
}
