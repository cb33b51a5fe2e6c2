//! Which answers are taken, and what holding them to schemas changes.

use super::format::percent;
use super::html::{Table, escape};
use crate::gates::{GateFigures, LEAST, Taken};
use crate::measure::Measure;
use crate::metrics::Metrics;

/// The sections; nothing where neither was asked for.
pub(super) fn section(metrics: &Metrics) -> String {
    gates(metrics) + &constrained(metrics)
}

fn gates(metrics: &Metrics) -> String {
    let Some(models) = &metrics.gates else { return String::new() };
    let mut text = "<h2>Answers that are taken</h2>\n<p class=\"note\">An answer is taken when it is finished, of its schema, grounded in the \
                    question, complete, and at least as sure as the gate; else the rule answers. The gate is the smallest confidence from \
                    which on at most 1 % of the answers to validation questions state other facts than the rule (upper 95 % bound). Severity, \
                    risk, counts, ids and techniques are the rule's in any case.</p>\n"
        .to_owned();
    for (model, tasks) in models {
        let head = ["Task", "Gate", "Validation", "Test", "Real reports", "Why answers are refused (test)"];
        let mut table =
            Table::new(&format!("Of each answers asked for: taken, with errors among these; {model} model"), &head);
        for (task, figures) in tasks {
            let gate = match (figures.gate, figures.bound) {
                (Some(gate), Some(bound)) => format!("{gate:.4}<small>errors below {}</small>", percent(bound)),
                _ => format!("none<small>{}</small>", why_none(figures)),
            };
            let reports = figures.reports.as_ref().map_or_else(|| "-".to_owned(), taken);
            table.row(task, [gate, taken(&figures.validation), taken(&figures.test), reports, refused(&figures.test)]);
        }
        text += &table.markup();
    }
    text
}

fn taken(taken: &Taken) -> String {
    format!("{} of {}<small>{} errors</small>", taken.taken, taken.questions, taken.errors)
}

fn why_none(figures: &GateFigures) -> String {
    match figures.too_few {
        Some(questions) if questions < LEAST => return format!("{questions} questions are too few, {LEAST} the least"),
        Some(_) => return format!("not asked: gate_samples leaves it fewer than {LEAST}"),
        None => (),
    }
    let Taken { sound, sound_errors, questions, .. } = &figures.validation;
    format!("{sound} of {questions} sound, {sound_errors} of them errors")
}

fn refused(taken: &Taken) -> String {
    let told: Vec<String> = taken.refused.iter().map(|(why, count)| format!("{} {count}", escape(why))).collect();
    if told.is_empty() { "-".to_owned() } else { told.join("<br>") }
}

fn constrained(metrics: &Metrics) -> String {
    let Some(models) = &metrics.constrained else { return String::new() };
    let mut text = "<h2>Held to schemas</h2>\n<p class=\"note\">The same questions, each token held to the schema of the task. Before: free.</p>\n"
        .to_owned();
    let shown = [Measure::Terminated, Measure::SchemaConformance, Measure::SeverityAccuracy, Measure::Exact];
    let head: Vec<&str> = std::iter::once("Task").chain(shown.map(Measure::title)).collect();
    for (model, held) in models {
        let free = if model == "original" { &metrics.original.answers } else { &metrics.quantized.answers };
        let caption = format!("{model} model; {} of {} sound free answers are the same", held.same, held.free_sound);
        let mut table = Table::new(&caption, &head);
        for (task, figures) in &held.answers.tasks {
            let cell = |measure: Measure| {
                let of =
                    |figures: &crate::metrics::Figures| figures.get(measure.name()).map(|figure| percent(figure.value));
                let before = free.tasks.get(task).and_then(|task| of(&task.figures));
                match (before, of(&figures.figures)) {
                    (Some(before), Some(after)) => format!("{after}<small>before {before}</small>"),
                    _ => "-".to_owned(),
                }
            };
            table.row(task, shown.map(cell));
        }
        text += &table.markup();
    }
    text
}
