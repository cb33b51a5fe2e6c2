//! Severities on real reports.

use super::format::{estimate, percent};
use super::html::Table;
use super::tasks::column;
use crate::baselines::Baseline;
use crate::metrics::Metrics;
use crate::params::Standing;

/// The section; nothing where no reports are wired.
pub(super) fn section(metrics: &Metrics) -> String {
    let Some(reports) = &metrics.reports else { return String::new() };
    let standing = match reports.standing {
        Standing::HeldOut => "<strong>held out</strong>: said to have fed neither the simulator nor the training set",
        Standing::KnownToTheSimulator => {
            "<strong>known to the simulator</strong>: its tables were made from them, so this is no held-out figure"
        }
    };
    let mut text = format!(
        "<h2>Real reports</h2>\n<p>Severities against the scanner's own, reports of {} hosts, {standing}. {} of the prompts were in \
         the training set.</p>\n",
        reports.hosts,
        percent(reports.seen_in_training)
    );
    if reports.too_long > 0 {
        text +=
            &format!("<p class=\"note\">{} findings do not fit the model and were left out.</p>\n", reports.too_long);
    }
    let names = ["original", "quantized"].into_iter().chain(Baseline::ALL.map(Baseline::name));
    let names: Vec<&str> = names.filter(|name| reports.mean.contains_key(*name)).collect();
    let head: Vec<&str> =
        ["Scanner", "Findings", "Seen"].into_iter().chain(names.iter().map(|name| column(name))).collect();
    let mut table = Table::new("Severity right, by scanner", &head);
    for (scanner, figures) in &reports.scanners {
        let cell = |name: &&str| {
            let figure = figures.severity_accuracy.get(*name);
            figure.map_or_else(|| "-".to_owned(), |figure| estimate(figure, percent))
        };
        let counts = [figures.questions.to_string(), percent(figures.seen_in_training)];
        table.row(scanner, counts.into_iter().chain(names.iter().map(cell)));
    }
    text + &table.markup()
}
