//! The summaries of a document: sentences with figures, each computed from the findings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use contract::clean;
use findings::{Correlation, EnrichedFinding, document_id};
use scan::Severity;
use serde::Serialize;

use crate::documents::action::{Action, Priority};
use crate::documents::reduction::{QUOTED, Reductions, TopFinding};

/// The sentences of a document.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names of schemas/ground_truth_schema.json")]
pub struct Summaries {
    pub executive_summary: String,
    pub analyst: String,
    pub consistency_findings: String,
    pub triage_summary: String,
    pub action_narrative: String,
    pub causal_hypotheses: String,
    pub attack_coverage: String,
    pub metrics: Metrics,
}

/// The figures that the sentences use.
#[derive(Clone, Debug, Serialize)]
pub struct Metrics {
    /// Findings by severity.
    pub severity_counts: BTreeMap<&'static str, usize>,
    /// Findings in all.
    pub findings: usize,
    /// Correlations in all.
    pub correlations: usize,
    /// Findings that the earlier scans lack.
    pub new_findings: usize,
    /// The highest risk.
    pub highest_risk: u8,
}

#[derive(Serialize)]
struct Analyst<'a> {
    host: &'a str,
    scan: u32,
    role: &'a str,
    findings: usize,
    severities: &'a BTreeMap<&'static str, usize>,
    new: usize,
    correlations: Vec<&'a str>,
    top: Vec<Cow<'a, str>>,
}

/// Writes the summaries of one scan, which has at least one finding.
pub fn of(
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    reductions: &Reductions,
    actions: &[Action],
) -> Summaries {
    let mut severity_counts = BTreeMap::new();
    for finding in findings {
        *severity_counts.entry(finding.severity.name()).or_insert(0) += 1;
    }
    let metrics = Metrics {
        severity_counts,
        findings: findings.len(),
        correlations: correlations.len(),
        new_findings: findings.iter().filter(|f| f.earlier_scans > 0 && f.sightings == 0).count(),
        highest_risk: findings.iter().map(|f| f.risk_score).max().unwrap_or(0),
    };
    Summaries {
        executive_summary: executive(findings, correlations, actions, &metrics),
        analyst: analyst(findings, correlations, reductions, &metrics),
        consistency_findings: consistency(findings),
        triage_summary: triage(reductions, priority(findings, correlations)),
        action_narrative: narrative(actions),
        causal_hypotheses: hypotheses(correlations),
        attack_coverage: coverage(findings),
        metrics,
    }
}

/// How urgent a scan is: by its gravest finding or correlation.
fn priority(findings: &[EnrichedFinding], correlations: &[Correlation]) -> Priority {
    let severities = findings.iter().map(|f| f.severity).chain(correlations.iter().map(|c| c.severity));
    severities.max().map_or(Priority::Low, Priority::of)
}

fn executive(findings: &[EnrichedFinding], correlations: &[Correlation], actions: &[Action], m: &Metrics) -> String {
    let first = findings.first();
    let (host, role) = first.map_or(("", ""), |f| (f.host.as_str(), f.host_role.as_str()));
    let count = |severity: Severity| m.severity_counts.get(severity.name()).copied().unwrap_or(0);
    let mut text = format!(
        "Host {host} ({role}): {} findings, {} critical and {} high, highest risk {}.",
        m.findings,
        count(Severity::Critical),
        count(Severity::High),
        m.highest_risk
    );
    if findings.iter().any(|f| f.earlier_scans > 0) {
        text.push_str(&format!(" {} new since the last scan.", m.new_findings));
    }
    if let Some(gravest) = correlations.iter().max_by_key(|c| (c.severity, std::cmp::Reverse(&c.id))) {
        text.push_str(&format!(" {} correlations, the gravest: {}.", correlations.len(), gravest.title));
    }
    if let Some(action) = actions.first() {
        text.push_str(&format!(" First: {}.", action.title));
    }
    text
}

fn analyst(findings: &[EnrichedFinding], correlations: &[Correlation], reductions: &Reductions, m: &Metrics) -> String {
    let Some(first) = findings.first() else { return "{}".to_owned() };
    let titles: BTreeSet<&str> = correlations.iter().map(|c| c.title.as_str()).collect();
    let analyst = Analyst {
        host: &first.host,
        scan: first.scan,
        role: &first.host_role,
        findings: m.findings,
        severities: &m.severity_counts,
        new: m.new_findings,
        correlations: titles.into_iter().collect(),
        top: reductions.top_findings.iter().take(5).map(|f| clean::bounded(&f.id, QUOTED)).collect(),
    };
    serde_json::to_string(&analyst).expect("plain data")
}

fn consistency(findings: &[EnrichedFinding]) -> String {
    let repeated = findings.iter().filter(|finding| document_id::is_repeated(finding)).count();
    let errors = findings.iter().filter(|f| f.operational_error).count();
    let unscored = findings.iter().filter(|f| f.base_severity_score == 0).count();
    if repeated + errors + unscored == 0 {
        return "No repeated id, no scanner error, every finding is scored.".to_owned();
    }
    format!("{repeated} findings repeat an id, {errors} are scanner errors, {unscored} carry score 0 (operational).")
}

fn triage(reductions: &Reductions, priority: Priority) -> String {
    let named = |f: &TopFinding| format!("{} (risk {})", clean::bounded(&f.id, QUOTED), f.risk_score);
    let top: Vec<String> = reductions.top_findings.iter().take(3).map(named).collect();
    format!("Priority {}: {}.", priority.name(), top.join(", "))
}

fn narrative(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "Nothing asks for an action.".to_owned();
    }
    let steps: Vec<String> =
        actions.iter().enumerate().map(|(number, action)| format!("{}. {}", number + 1, action.title)).collect();
    steps.join("; ")
}

fn hypotheses(correlations: &[Correlation]) -> String {
    let sentences: BTreeSet<String> = correlations
        .iter()
        .filter(|c| c.severity >= Severity::High)
        .map(|c| format!("{} ({})", c.rationale, c.techniques.join(", ")))
        .collect();
    if sentences.is_empty() {
        return "No correlation of high severity suggests a cause.".to_owned();
    }
    let most: Vec<String> = sentences.into_iter().take(5).collect();
    most.join("; ")
}

fn coverage(findings: &[EnrichedFinding]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for technique in findings.iter().flat_map(|f| &f.techniques) {
        *counts.entry(technique).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(technique, count)| format!("{technique} x{count}")).collect();
    if parts.is_empty() { "No technique.".to_owned() } else { parts.join(", ") }
}
