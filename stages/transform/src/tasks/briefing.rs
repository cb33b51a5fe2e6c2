//! Task `summary`: a host's scan in short, and its summary in the strict form that the agent parses.
//!
//! The answer is written from exactly what the prompt shows: counts, what is joined, and the findings listed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use contract::clean;
use findings::{Correlation, EnrichedFinding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::action::Priority;
use crate::documents::document::Document;
use crate::documents::summary;
use crate::documents::telling;
use crate::documents::verdict::Rank;
use crate::prompt::listing::Seen;
use crate::prompt::seen::lower_first;
use crate::prompt::visible::{SCANNER_LIMIT, Visible};
use crate::tasks::example::Example;
use crate::tasks::overview::{Overview, label};
use crate::tasks::task::Task;

/// Findings that a prompt lists at most.
const LISTED: usize = 20;
/// Findings that the answer names.
const KEY: usize = 5;
/// Actions that the answer names.
const ACTIONS: usize = 5;
/// Scanners that the counts name.
const SCANNERS: usize = 30;

/// The answer, with the agent's own keys and types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "SCREAMING_SNAKE_CASE")]
pub struct SummaryAnswer {
    /// A few sentences.
    pub executive_summary: String,
    /// What matters most.
    pub key_findings: Vec<String>,
    /// How bad it is, and whether it changes.
    pub risk_assessment: RiskAssessment,
    /// What to do.
    pub recommendations: Vec<String>,
}

/// How bad it is, and whether it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskAssessment {
    /// By what is joined: high and critical where an attack is suspected.
    pub level: Priority,
    /// Of one finding, with what correlations add, 0..=100.
    #[schemars(range(max = 100))]
    pub highest_risk: u8,
    /// Against the earlier scans.
    pub trend: String,
}

/// The example of one scan, which lists as many findings as fit.
pub fn example(
    document: &Document<'_>,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
) -> Option<Example> {
    Example::of_most(LISTED, |listed| listing(document, findings, correlations, visible, listed))
}

fn listing(
    document: &Document<'_>,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
    listed: usize,
) -> Option<Example> {
    let Overview { verdict, top, lines: overview, list, ids, actions } =
        Overview::of(document, findings, correlations, visible, listed)?;
    let first = top.first()?;
    let new = document.summaries.metrics.new_findings;
    let earlier = findings.iter().map(|finding| finding.earlier_scans).max().unwrap_or(0);
    let trend = match (earlier, new) {
        (0, _) => "first scan".to_owned(),
        (_, 0) => "nothing new since the last scan".to_owned(),
        (_, new) => format!("{new} new since the last scan"),
    };
    let actions: Vec<&str> = actions.iter().take(ACTIONS).map(|action| action.title.as_str()).collect();
    let mut lines = vec![format!("{}; {trend}", first.visible.host), counts(findings)];
    lines.extend(overview);
    lines.push(list);
    let mut summary = format!("{} with {} findings; {trend}. ", capitalized(&first.visible.host), findings.len());
    summary.push_str(&summary::what(verdict, &top));
    summary.extend(actions.first().map(|action| format!(" First: {action}.")));
    let highest_risk = top.iter().map(|seen| seen.finding.risk_total).max()?;
    let answer = SummaryAnswer {
        executive_summary: summary,
        key_findings: keys(&top),
        risk_assessment: RiskAssessment { level: verdict.level, highest_risk, trend },
        recommendations: actions.iter().map(|action| (*action).to_owned()).collect(),
    };
    Some(Example {
        task: Task::Summary,
        findings: ids,
        class: verdict.level.severity(),
        template: verdict.level.name().to_owned(),
        prompt: lines.join("\n"),
        answer: serde_json::to_string(&answer).expect("plain data"),
    })
}

/// The findings that stand out; where none does, the first of the list.
fn keys(top: &[Seen<'_>]) -> Vec<String> {
    let standing: Vec<&Seen<'_>> = top.iter().filter(|seen| Rank::of(seen.finding).stands_out()).take(KEY).collect();
    let shown = if standing.is_empty() { top.iter().take(1).collect() } else { standing };
    shown.into_iter().map(key).collect()
}

fn key(Seen { finding, visible }: &Seen<'_>) -> String {
    let mut why: Vec<String> = visible.joined.told().map(lower_first).into_iter().collect();
    why.extend(visible.rarity.map(str::to_owned));
    why.extend(telling::is_new(finding).then(|| visible.history.clone()));
    if why.is_empty() {
        why.extend(visible.facts.first().cloned());
    }
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    format!("{} ({}){why}", label(visible), finding.severity)
}

/// Findings by scanner: `findings: 12 (ioc 1, network 11)`.
fn counts(findings: &[EnrichedFinding]) -> String {
    let mut scanners: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    for finding in findings {
        *scanners.entry(clean::bounded(&finding.scanner, SCANNER_LIMIT)).or_default() += 1;
    }
    let more = scanners.len().saturating_sub(SCANNERS);
    let named = scanners.iter().take(SCANNERS).map(|(scanner, count)| format!("{scanner} {count}"));
    let parts: Vec<String> = named.chain((more > 0).then(|| format!("and {more} more"))).collect();
    format!("findings: {} ({})", findings.len(), parts.join(", "))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
