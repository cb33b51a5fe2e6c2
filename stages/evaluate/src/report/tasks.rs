//! The figures of answers, task by task: both models, the baselines, and the true answers judged in the same way.

use super::format::{estimate, of_measure};
use super::html::{Table, escape};
use crate::baselines::Baseline;
use crate::measure::Measure;
use crate::metrics::{AnswerFigures, Figure, Figures, Metrics};

/// The section.
pub(super) fn section(metrics: &Metrics) -> String {
    let columns = columns(metrics);
    let mut text = format!(
        "<h2>Answers</h2>\n<p class=\"note\">{} questions about {} hosts, {}. Small print: 95 % bootstrap interval, hosts drawn \
         again. Baselines answer from the training split alone; the rule is what answers were made by, the ceiling.</p>\n",
        metrics.original.answers.questions,
        metrics.hosts,
        metrics.decoding()
    );
    let tasks = &metrics.original.answers.tasks;
    if tasks.len() > 1 {
        // A baseline that has not all tasks has no mean to compare.
        let all = columns.iter().filter(|(_, figures)| figures.tasks.len() == tasks.len());
        let of: Vec<(&str, Option<&Figures>)> = all.map(|(name, figures)| (*name, Some(&figures.mean))).collect();
        text += &table("Mean over tasks", "Each task counts the same.", &of);
    }
    for (task, figures) in tasks {
        let of_task = |(name, answers): &(&'static str, &'_ AnswerFigures)| {
            answers.tasks.get(task).map(|task| (*name, Some(task.figures.clone())))
        };
        let held: Vec<(&str, Option<Figures>)> = columns.iter().filter_map(of_task).collect();
        let of: Vec<(&str, Option<&Figures>)> = held.iter().map(|(name, figures)| (*name, figures.as_ref())).collect();
        text += &table(&format!("Task {task}"), &format!("{} questions.", figures.questions), &of);
    }
    text
}

/// The name of a model or baseline over its column.
pub(super) fn column(name: &str) -> &str {
    match name {
        "original" => "Original",
        "quantized" => "Quantized",
        "rule" => "Rule",
        other => match Baseline::ALL.into_iter().find(|one| one.name() == other) {
            Some(baseline) => baseline.title(),
            None => other,
        },
    }
}

fn columns(metrics: &Metrics) -> Vec<(&'static str, &AnswerFigures)> {
    let models = [("Original", &metrics.original.answers), ("Quantized", &metrics.quantized.answers)];
    let baselines = Baseline::ALL.into_iter();
    let baselines = baselines.filter_map(|one| Some((one.title(), metrics.baselines.get(one.name())?)));
    models.into_iter().chain(baselines).chain([("Rule", &metrics.rule)]).collect()
}

fn table(title: &str, caption: &str, columns: &[(&str, Option<&Figures>)]) -> String {
    let head: Vec<&str> = std::iter::once("").chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(caption, &head);
    for measure in Measure::ALL {
        let found = columns.iter().map(|(_, figures)| figures.and_then(|figures| figures.get(measure.name())));
        let found: Vec<Option<&Figure>> = found.collect();
        if found.iter().take(2).any(Option::is_some) {
            let cell = |figure: Option<&Figure>| {
                figure.map_or_else(|| "-".to_owned(), |figure| estimate(figure, of_measure(measure)))
            };
            table.row(measure.title(), found.into_iter().map(cell));
        }
    }
    format!("<h3>{}</h3>\n{}", escape(title), table.markup())
}
