//! Task `correlation`: the findings of one cluster among others of its scan, and what is joined.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use correlate::facts::account;
use correlate::rule::{Join, RULES};
use correlate::{Correlation, EnrichedFinding, Prevalence};
use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::example::{Example, Task};
use crate::listing::{Listing, Seen, across};
use crate::seen::EPHEMERAL;
use crate::visible::Visible;

/// Members of a cluster that a prompt lists.
const LISTED: usize = 20;
/// Findings beside them that nothing joins.
const OTHERS: usize = 4;

/// Rules that no prompt can ask for: they depend on what only another host's scan shows.
static ELSEWHERE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let mut hidden = BTreeSet::new();
    for rule in RULES.iter() {
        let builds_on =
            [Some(&rule.find), rule.join.with()].into_iter().flatten().filter_map(|side| side.joined_by.as_deref());
        if matches!(rule.join, Join::Peers { .. }) || builds_on.into_iter().any(|id| hidden.contains(id)) {
            hidden.insert(rule.id.as_str());
        }
    }
    hidden
});

/// The answer: what is joined, by title.
pub type CorrelationAnswer = Vec<JoinedAnswer>;

/// One correlation of the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinedAnswer {
    /// What it is.
    pub title: String,
    /// Names of the prompt's list.
    pub related_finding_ids: Vec<String>,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
}

/// An example for each cluster; one with an empty answer where nothing is joined.
pub fn examples(findings: &[EnrichedFinding], correlations: &[Correlation], visible: &[Visible]) -> Vec<Example> {
    let mut clusters: BTreeMap<&str, Vec<Seen<'_>>> = BTreeMap::new();
    let mut others: Vec<Seen<'_>> = Vec::new();
    for (finding, visible) in findings.iter().zip(visible) {
        match &finding.cluster_id {
            Some(cluster) => clusters.entry(cluster).or_default().push(Seen { finding, visible }),
            None if visible.determined && finding.correlation_refs.is_empty() => others.push(Seen { finding, visible }),
            None => {}
        }
    }
    others.sort_by_key(|seen| (std::cmp::Reverse(seen.finding.risk_score), &seen.visible.text));
    others.dedup_by(|a, b| a.visible.text == b.visible.text);
    let correlations: Vec<&Correlation> =
        correlations.iter().filter(|c| !ELSEWHERE.contains(c.rule.as_str())).collect();
    let across = across(correlations.iter().copied());
    if clusters.is_empty() {
        clusters.insert("", Vec::new());
    }
    let example = |members: Vec<Seen<'_>>| example(members, &others, &correlations, &across);
    clusters.into_values().filter_map(example).collect()
}

fn example(
    members: Vec<Seen<'_>>,
    others: &[Seen<'_>],
    correlations: &[&Correlation],
    across: &BTreeSet<&str>,
) -> Option<Example> {
    let ids: BTreeSet<&str> = members.iter().map(|seen| seen.finding.document_id.as_str()).collect();
    let joined: Vec<&Correlation> = correlations
        .iter()
        .copied()
        .filter(|correlation| correlation.related_finding_ids.iter().any(|id| ids.contains(id.as_str())))
        .collect();
    let more = members.len().saturating_sub(LISTED);
    let listed = representatives(members, &joined);
    let beside = if joined.is_empty() { 2 * OTHERS } else { OTHERS };
    let listing =
        Listing::with_notes(listed.into_iter().chain(others.iter().take(beside).copied()), more, across, note);
    let host = &listing.items().first()?.visible.host;
    // A weak link joins with what stands elsewhere on the host and is not listed; that others have it too is said in the list.
    let follows = |correlation: &&Correlation| match correlation.hosts.is_empty() {
        true => correlation.cluster_id.is_some() && listing.names(&correlation.related_finding_ids).len() >= 2,
        false => !listing.names(&correlation.related_finding_ids).is_empty(),
    };
    let shown: Vec<&Correlation> = joined.into_iter().filter(follows).collect();
    let answer = |correlation: &&Correlation| JoinedAnswer {
        title: correlation.title.clone(),
        related_finding_ids: listing.names(&correlation.related_finding_ids),
        techniques: correlation.techniques.clone(),
    };
    let mut answers: CorrelationAnswer = shown.iter().map(answer).collect();
    answers.sort();
    answers.dedup();
    let titles: BTreeSet<&str> = answers.iter().map(|answer| answer.title.as_str()).collect();
    Some(Example {
        task: Task::Correlation,
        class: shown.iter().map(|correlation| correlation.severity).max().unwrap_or(Severity::Info),
        template: titles.into_iter().collect::<Vec<_>>().join("; "),
        prompt: format!("{host}\n{}", listing.text()),
        answer: serde_json::to_string(&answers).expect("plain data"),
    })
}

/// What rules ask of a finding that its line does not say.
fn note(finding: &EnrichedFinding) -> String {
    let get = |key: &str| finding.metadata.get(key).map(String::as_str).unwrap_or_default();
    let number = |key: &str| get(key).parse::<u32>().ok();
    let mut note = String::new();
    if finding.scanner == "processes" && number("uid").is_some_and(|uid| account(uid) == "system") {
        note.push_str("; a service's account");
    }
    if finding.scanner == "processes" && !get("container_id").is_empty() {
        note.push_str("; in a container");
    }
    // A client's own port is arbitrary.
    if let Some(port) = number("lport").filter(|port| *port < u32::from(EPHEMERAL))
        && !matches!(get("state"), "" | "LISTEN")
    {
        note.push_str(&format!("; local port {port}"));
    }
    note.push_str(match finding.prevalence {
        Some(Prevalence::One) => "; on no other host",
        Some(Prevalence::Few) => "; on few hosts",
        _ => "",
    });
    note
}

/// Members of a large cluster by turns: the first of each correlation, then the second, and so on.
fn representatives<'a>(members: Vec<Seen<'a>>, joined: &[&Correlation]) -> Vec<Seen<'a>> {
    if members.len() <= LISTED {
        return members;
    }
    let by_id: BTreeMap<&str, Seen<'a>> =
        members.iter().map(|seen| (seen.finding.document_id.as_str(), *seen)).collect();
    let longest = joined.iter().map(|correlation| correlation.related_finding_ids.len()).max().unwrap_or(0);
    let mut taken = BTreeSet::new();
    let mut listed = Vec::new();
    for turn in 0..longest {
        for id in joined.iter().filter_map(|correlation| correlation.related_finding_ids.get(turn)) {
            if let Some(seen) = by_id.get(id.as_str())
                && listed.len() < LISTED
                && taken.insert(id.as_str())
            {
                listed.push(*seen);
            }
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_host_alone_shows_is_asked_in_no_prompt() {
        let hidden = ["odd-program-connects-to-peer", "odd-session-beside-odd-program", "session-from-odd-program"];
        assert_eq!(ELSEWHERE.iter().copied().collect::<Vec<_>>(), hidden);
    }

    fn finding(scanner: &str, prevalence: &str, metadata: serde_json::Value) -> EnrichedFinding {
        let line = serde_json::json!({
            "host": "a", "scan": 0, "scanner": scanner, "id": "1", "document_id": "1", "title": "t", "severity": "info",
            "base_severity_score": 10, "description": "d", "metadata": metadata, "category": "process", "tags": [],
            "risk_profile": "intended", "risk_score": 1, "risk_total": 1, "probability_actionable": 0.1,
            "risk_subscores": {"impact": 0.1, "exposure": 0.0, "anomaly": 1.0, "confidence": 1.0},
            "baseline_status": "new", "sightings": 0, "earlier_scans": 0, "prevalence": prevalence, "host_role": "web",
            "host_role_rationale": "r", "techniques": [], "correlation_refs": [], "graph_degree": 0,
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn a_line_says_what_rules_ask_beside_its_text() {
        let noted = |scanner, prevalence, metadata| note(&finding(scanner, prevalence, metadata));
        let service = serde_json::json!({"uid": "33", "container_id": "0a1b"});
        assert_eq!(noted("processes", "few", service), "; a service's account; in a container; on few hosts");
        assert_eq!(noted("processes", "many", serde_json::json!({"uid": "0"})), "");
        assert_eq!(noted("processes", "one", serde_json::json!({"uid": "1000"})), "; on no other host");
        let socket = |state: &str, port: &str| serde_json::json!({"state": state, "lport": port});
        assert_eq!(noted("network", "many", socket("ESTABLISHED", "5432")), "; local port 5432");
        assert_eq!(noted("network", "many", socket("ESTABLISHED", "50000")), "");
        assert_eq!(noted("network", "many", socket("LISTEN", "5432")), "", "its text has the port");
    }
}
