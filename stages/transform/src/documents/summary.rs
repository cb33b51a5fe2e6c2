//! The summaries of a document: sentences with figures, each computed from the findings.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use contract::clean;
use findings::{Correlation, EnrichedFinding, document_id};
use rules::role;
use scan::Severity;
use serde::Serialize;

use crate::documents::action::{Action, Priority};
use crate::documents::reduction::{QUOTED, Reductions, TopFinding};
use crate::documents::telling;
use crate::documents::verdict::{Rank, Verdict};
use crate::prompt::listing::Seen;
use crate::prompt::visible::Visible;

/// Findings that an executive summary speaks of.
pub const SPOKEN_OF: usize = 20;
/// Subjects that it names beside the first.
const NAMED: usize = 3;

/// Causes that a document tells.
const CAUSES: usize = 5;

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
    visible: &[Visible],
    correlations: &[Correlation],
    reductions: &Reductions,
    actions: &[Action],
) -> Summaries {
    let verdict = Verdict::of(findings);
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
        executive_summary: executive(findings, visible, actions, &metrics, verdict),
        analyst: analyst(findings, correlations, reductions, &metrics),
        consistency_findings: consistency(findings),
        triage_summary: triage(reductions, verdict.level),
        action_narrative: narrative(actions),
        causal_hypotheses: hypotheses(correlations),
        attack_coverage: coverage(findings, correlations),
        metrics,
    }
}

fn executive(
    findings: &[EnrichedFinding],
    visible: &[Visible],
    actions: &[Action],
    m: &Metrics,
    verdict: Verdict,
) -> String {
    let first = findings.first();
    let (host, role) = first.map_or(("", ""), |f| (f.host.as_str(), f.host_role.as_str()));
    let role = role::in_words(role);
    let mut text = format!("Host {host} ({role}): {} findings, {} correlations.", m.findings, m.correlations);
    if findings.iter().any(|f| f.earlier_scans > 0) {
        text.push_str(&format!(" {} new since the last scan.", m.new_findings));
    }
    text.push(' ');
    text.push_str(&what(verdict, &top(findings, visible, SPOKEN_OF, |_| true)));
    if let Some(action) = actions.first() {
        text.push_str(&format!(" First: {}.", action.title));
    }
    text
}

/// The findings that matter most, each text once, most important first. One whose text says too little is left out, and so is one that is
/// not `told`.
pub fn top<'a>(
    findings: &'a [EnrichedFinding],
    visible: &'a [Visible],
    limit: usize,
    told: impl Fn(&EnrichedFinding) -> bool,
) -> Vec<Seen<'a>> {
    let all = findings.iter().zip(visible).filter(|(finding, visible)| visible.determined && told(finding));
    let mut all: Vec<(Reverse<Rank>, Seen<'_>)> =
        all.map(|(finding, visible)| (Reverse(Rank::of(finding)), Seen { finding, visible })).collect();
    let text = |seen: &Seen<'a>| (&seen.visible.scanner, &seen.visible.text);
    all.sort_by(|a, b| (a.0, text(&a.1)).cmp(&(b.0, text(&b.1))));
    let mut texts = BTreeSet::new();
    all.retain(|(_, seen)| texts.len() < limit && texts.insert(text(seen)));
    all.into_iter().map(|(_, seen)| seen).collect()
}

/// What a scan shows, in words: of what an attack is suspected, or what is worth a look. All of it stands in the lines of `listed`.
pub fn what(verdict: Verdict, listed: &[Seen<'_>]) -> String {
    let Some(first) = listed.first() else { return "Nothing can be told.".to_owned() };
    let rank = Rank::of(first.finding);
    if verdict.suspected && rank.suspected {
        let sentence = telling::sentence(first, listed);
        return format!(
            "An attack is suspected (suspicion {}): {sentence}{}",
            verdict.suspicion,
            others(first, listed)
        );
    }
    if verdict.level == Priority::Low && !rank.stands_out() {
        return format!("No attack is suspected. Highest risk by itself: {}", telling::sentence(first, listed));
    }
    format!("No attack is suspected. Most notable: {}", telling::sentence(first, listed))
}

/// Names further subjects of the suspected attack, each once.
fn others(first: &Seen<'_>, listed: &[Seen<'_>]) -> String {
    let mut told = vec![*first];
    for seen in listed.iter().filter(|seen| seen.finding.suspected) {
        let known =
            |own: &Seen<'_>| telling::is_of_one(own.finding, seen.finding) || telling::name(own) == telling::name(seen);
        if told.len() <= NAMED && telling::is_named(seen.finding) && !told.iter().any(known) {
            told.push(*seen);
        }
    }
    let names: Vec<String> = told[1..].iter().map(telling::name).collect();
    if names.is_empty() { String::new() } else { format!(" With it: {}.", names.join(", ")) }
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
    let mut sentences: BTreeSet<String> = BTreeSet::new();
    for correlation in correlations.iter().filter(|c| c.severity >= Severity::High) {
        sentences.insert(match correlation.techniques.as_slice() {
            [] => correlation.rationale.clone(),
            techniques => format!("{} ({})", correlation.rationale, techniques.join(", ")),
        });
        // A large scan has very many, and the first are told.
        if sentences.len() > CAUSES {
            sentences.pop_last();
        }
    }
    if sentences.is_empty() {
        return "No correlation of high severity suggests a cause.".to_owned();
    }
    let most: Vec<String> = sentences.into_iter().collect();
    most.join("; ")
}

/// How many findings and correlations show each technique.
fn coverage(findings: &[EnrichedFinding], correlations: &[Correlation]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let of_findings = findings.iter().flat_map(|f| &f.techniques);
    for technique in of_findings.chain(correlations.iter().flat_map(|c| &c.techniques)) {
        *counts.entry(technique).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(technique, count)| format!("{technique} x{count}")).collect();
    if parts.is_empty() { "No technique.".to_owned() } else { parts.join(", ") }
}
