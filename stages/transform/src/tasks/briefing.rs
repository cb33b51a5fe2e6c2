//! Task `summary`: a host's scan in short, and its summary in the strict form that the agent parses.
//!
//! The answer is written from exactly what the prompt shows: counts, what is joined, what to do, and the findings listed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use contract::clean;
use findings::{Correlation, EnrichedFinding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::action::Priority;
use crate::documents::document::Document;
use crate::prompt::listing::{Listing, Seen, across};
use crate::prompt::visible::{SCANNER_LIMIT, Visible};
use crate::tasks::example::{Example, SUMMARY_BYTES};
use crate::tasks::task::Task;
use crate::tasks::triage::{Joined, candidates, inventory, joined, label};

/// Findings that a prompt lists at most.
const LISTED: usize = 20;
/// Findings that the answer names.
const KEY: usize = 5;
/// Actions that prompt and answer name.
const ACTIONS: usize = 5;

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
    /// By the gravest finding or correlation.
    pub level: Priority,
    /// Of one finding, 0..=100.
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
    let listing = |listed: usize| listing(document, findings, correlations, visible, listed);
    (1..=LISTED).rev().filter_map(listing).find(|example| example.fits(SUMMARY_BYTES))
}

fn listing(
    document: &Document<'_>,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
    listed: usize,
) -> Option<Example> {
    let top = candidates(findings, visible, listed);
    let (first, shown) = top.first().copied()?;
    let class = top.iter().map(|(f, _)| f.severity).chain(correlations.iter().map(|c| c.severity)).max()?;
    let level = Priority::of(class);
    let new = document.summaries.metrics.new_findings;
    let earlier = findings.iter().map(|finding| finding.earlier_scans).max().unwrap_or(0);
    let trend = match (earlier, new) {
        (0, _) => "first scan".to_owned(),
        (_, 0) => "nothing new since the last scan".to_owned(),
        (_, new) => format!("{new} new since the last scan"),
    };
    let actions: Vec<&str> = document.actions.iter().take(ACTIONS).map(|action| action.title.as_str()).collect();
    let titles = joined(correlations);
    let listing = Listing::new(
        top.iter().map(|(finding, visible)| Seen { finding, visible }),
        findings.len() - top.len(),
        &across(correlations),
    );
    let mut lines = vec![format!("{}; {trend}", shown.host), counts(findings)];
    lines.extend(inventory(&document.reductions));
    lines.extend(titles.iter().map(Joined::line));
    lines.push(format!("correlations: {}", correlations.len()));
    if !actions.is_empty() {
        lines.push(format!("actions: {}", actions.join("; ")));
    }
    lines.push(listing.text());
    let mut summary = format!("{} with {} findings; {trend}.", capitalized(&shown.host), findings.len());
    if let Some(gravest) = titles.iter().max_by_key(|joined| (joined.severity, std::cmp::Reverse(joined.title))) {
        summary.push_str(&format!(" Correlations: {}, the gravest: {}.", correlations.len(), gravest.title));
    }
    summary.push_str(&format!(" Highest risk {}: {}.", first.risk_score, label(shown)));
    summary.extend(actions.first().map(|action| format!(" First: {action}.")));
    let answer = SummaryAnswer {
        executive_summary: summary,
        key_findings: top.iter().take(KEY).map(|(finding, visible)| key(finding, visible)).collect(),
        risk_assessment: RiskAssessment { level, highest_risk: first.risk_score, trend },
        recommendations: actions.iter().map(|action| (*action).to_owned()).collect(),
    };
    Some(Example {
        task: Task::Summary,
        class,
        template: level.name().to_owned(),
        prompt: lines.join("\n"),
        answer: serde_json::to_string(&answer).expect("plain data"),
    })
}

fn key(finding: &EnrichedFinding, visible: &Visible) -> String {
    let fact = visible.facts.first().map(|fact| format!(": {fact}")).unwrap_or_default();
    format!("{} ({}){fact}", label(visible), finding.severity)
}

/// Findings by scanner: `findings: 12 (ioc 1, network 11)`.
fn counts(findings: &[EnrichedFinding]) -> String {
    let mut scanners: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    for finding in findings {
        *scanners.entry(clean::bounded(&finding.scanner, SCANNER_LIMIT)).or_default() += 1;
    }
    let parts: Vec<String> = scanners.iter().map(|(scanner, count)| format!("{scanner} {count}")).collect();
    format!("findings: {} ({})", findings.len(), parts.join(", "))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
