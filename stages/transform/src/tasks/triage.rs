//! Task `triage`: one scan in short, and what to look at first, in the strict form that the agent parses.

use std::collections::{BTreeMap, BTreeSet};

use findings::{Correlation, EnrichedFinding};
use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::action::Priority;
use crate::documents::document::Document;
use crate::documents::reduction::Reductions;
use crate::prompt::visible::Visible;
use crate::tasks::example::Example;
use crate::tasks::task::Task;

const CANDIDATES: usize = 8;
const TOP: usize = 3;
const ACTIONS: usize = 3;
const PORTS: usize = 8;
const TITLES: usize = 8;

/// The answer, with the agent's own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "SCREAMING_SNAKE_CASE")]
pub struct TriageAnswer {
    /// What to look at first.
    pub top_findings: Vec<String>,
    /// How many correlations there are.
    pub correlation_count: usize,
    /// By the gravest finding or correlation.
    pub priority_level: Priority,
    /// What to do.
    pub response_actions: Vec<String>,
}

/// The example of one scan. The answer follows from what the prompt shows: priority and order are those of the candidates
/// listed, and the signs listed are what the actions answer.
pub fn example(
    document: &Document<'_>,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
) -> Example {
    let candidates = candidates(findings, visible, CANDIDATES);
    let severities =
        candidates.iter().map(|(finding, _)| finding.severity).chain(correlations.iter().map(|c| c.severity));
    let class = severities.max().unwrap_or(Severity::Info);
    let priority = Priority::of(class);
    let answer = TriageAnswer {
        top_findings: candidates.iter().take(TOP).map(|(_, visible)| label(visible)).collect(),
        correlation_count: correlations.len(),
        priority_level: priority,
        response_actions: document.actions.iter().take(ACTIONS).map(|action| action.title.clone()).collect(),
    };
    Example {
        task: Task::Triage,
        class,
        template: priority.name().to_owned(),
        prompt: prompt(document, correlations, &candidates),
        answer: serde_json::to_string(&answer).expect("plain data"),
    }
}

/// The findings of most risk, each label once.
pub fn candidates<'a>(
    findings: &'a [EnrichedFinding],
    visible: &'a [Visible],
    limit: usize,
) -> Vec<(&'a EnrichedFinding, &'a Visible)> {
    let mut all: Vec<_> = findings
        .iter()
        .zip(visible)
        .filter(|(_, visible)| visible.determined)
        .map(|(finding, visible)| (std::cmp::Reverse(finding.risk_score), label(visible), finding, visible))
        .collect();
    all.sort_by(|a, b| (a.0, &a.1, &a.3.text).cmp(&(b.0, &b.1, &b.3.text)));
    let mut labels = BTreeSet::new();
    all.retain(|(_, label, ..)| labels.len() < limit && labels.insert(label.clone()));
    all.into_iter().map(|(.., finding, visible)| (finding, visible)).collect()
}

/// Candidates are listed by name, so that their order does not give the answer away.
fn prompt(document: &Document<'_>, correlations: &[Correlation], top: &[(&EnrichedFinding, &Visible)]) -> String {
    let mut lines = Vec::new();
    lines.extend(top.first().map(|(_, visible)| visible.host.clone()));
    lines.extend(inventory(&document.reductions));
    lines.extend(joined(correlations).into_iter().map(|title| title.line()));
    lines.push(format!("correlations: {}", correlations.len()));
    let signs: BTreeSet<&str> = document.actions.iter().map(|action| action.tag.as_str()).collect();
    if !signs.is_empty() {
        lines.push(format!("signs: {}", signs.into_iter().collect::<Vec<_>>().join(" ")));
    }
    let line = |visible: &Visible| format!("- {}: {}; {}", visible.scanner, visible.text, visible.history);
    let shown: BTreeSet<String> = top.iter().map(|(_, visible)| line(visible)).collect();
    lines.extend(shown);
    lines.join("\n")
}

/// The counts of the reductions, in lines.
pub fn inventory(reductions: &Reductions) -> Vec<String> {
    let network = &reductions.network_summary;
    let ports: Vec<&str> = network.top_listen_ports.iter().take(PORTS).map(|(port, _)| port.as_str()).collect();
    let mut lines = vec![format!("listens: {} ({})", network.listen_count, ports.join(" "))];
    if let Some(modules) = &reductions.module_summary {
        let notable: BTreeSet<&str> = modules.notable_modules.iter().map(String::as_str).collect();
        let notable: Vec<&str> = notable.into_iter().collect();
        lines.push(format!("modules: {}, notable: {}", modules.module_count, notable.join(" ")));
    }
    if let Some(suid) = &reductions.suid_summary {
        lines.push(format!("suid: {}, unexpected: {}", suid.suid_total, suid.unexpected_suid.len()));
    }
    lines
}

/// Correlations of one title.
pub struct Joined<'a> {
    /// The title.
    pub title: &'a str,
    /// How many.
    pub count: usize,
    /// How grave.
    pub severity: Severity,
}

impl Joined<'_> {
    /// As prompts show it.
    pub fn line(&self) -> String {
        format!("joined {}x: {}", self.count, self.title)
    }
}

/// Correlations by title: the gravest titles, by name.
pub fn joined(correlations: &[Correlation]) -> Vec<Joined<'_>> {
    let mut titles: BTreeMap<&str, (usize, Severity)> = BTreeMap::new();
    for correlation in correlations {
        let (count, severity) = titles.entry(&correlation.title).or_insert((0, correlation.severity));
        *count += 1;
        *severity = correlation.severity.max(*severity);
    }
    let joined = titles.into_iter().map(|(title, (count, severity))| Joined { title, count, severity });
    let mut joined: Vec<Joined<'_>> = joined.collect();
    joined.sort_by_key(|joined| std::cmp::Reverse(joined.severity));
    joined.truncate(TITLES);
    joined.sort_by_key(|joined| joined.title);
    joined
}

/// How an answer names a finding.
pub fn label(visible: &Visible) -> String {
    format!("{} {}", visible.scanner, visible.subject)
}
