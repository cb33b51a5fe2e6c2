//! Recommended actions: entries of `actions.yaml` that a scan's correlations or findings ask for.

use std::collections::HashSet;
use std::sync::LazyLock;

use findings::{Correlation, EnrichedFinding};
use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Findings that one action names; the rest is only counted.
const NAMED_FINDINGS: usize = 10;

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    serde_yaml::from_str(include_str!("../../actions.yaml")).expect("the embedded table has its form")
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    tag: String,
    /// The lowest severity of a finding that asks for it; without it, only correlations do.
    from: Option<Severity>,
    title: String,
    description: String,
    priority: Priority,
    severity: Severity,
}

/// How soon. The order is the order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Now.
    Critical,
    /// Today.
    High,
    /// This week.
    Medium,
    /// When there is time.
    Low,
}

impl Priority {
    /// The urgency of what has this severity.
    pub fn of(severity: Severity) -> Priority {
        match severity {
            Severity::Critical => Priority::Critical,
            Severity::High | Severity::Error => Priority::High,
            Severity::Medium => Priority::Medium,
            Severity::Low | Severity::Info => Priority::Low,
        }
    }

    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        }
    }
}

/// Something to do.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    /// Unique within the document.
    pub id: String,
    /// What.
    pub title: String,
    /// How.
    pub description: String,
    /// How soon.
    pub priority: Priority,
    /// How grave it is that it is needed.
    pub severity: Severity,
    /// The tag that asked for it; not part of documents.
    #[serde(skip)]
    pub tag: String,
    /// What asks for it.
    pub finding_ids: Vec<String>,
}

/// The actions that some findings and correlations of a scan ask for, most urgent first.
pub fn of(findings: &[&EnrichedFinding], correlations: &[&Correlation]) -> Vec<Action> {
    let ids: HashSet<&str> = findings.iter().map(|finding| finding.document_id.as_str()).collect();
    let mut actions: Vec<Action> =
        TEMPLATES.iter().filter_map(|template| template.asked(findings, &ids, correlations)).collect();
    actions.sort_by_key(|action| action.priority);
    for (number, action) in actions.iter_mut().enumerate() {
        action.id = format!("a{}", number + 1);
    }
    actions
}

impl Template {
    fn asked(
        &self,
        findings: &[&EnrichedFinding],
        known: &HashSet<&str>,
        correlations: &[&Correlation],
    ) -> Option<Action> {
        let joined = correlations
            .iter()
            .filter(|correlation| correlation.tags.contains(&self.tag))
            .flat_map(|correlation| &correlation.related_finding_ids)
            .filter(|id| known.contains(id.as_str()));
        let found = findings
            .iter()
            .filter(|finding| {
                self.from.is_some_and(|from| finding.severity >= from) && finding.tags.contains(&self.tag)
            })
            .map(|finding| &finding.document_id);
        let mut ids: Vec<String> = Vec::new();
        for id in joined.chain(found) {
            if ids.len() == NAMED_FINDINGS {
                break;
            }
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        (!ids.is_empty()).then(|| Action {
            id: String::new(),
            title: self.title.clone(),
            description: self.description.clone(),
            priority: self.priority,
            severity: self.severity,
            tag: self.tag.clone(),
            finding_ids: ids,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_of_correlate_has_an_answer_or_is_mere_context() {
        let tags: BTreeSet<&str> = TEMPLATES.iter().map(|template| template.tag.as_str()).collect();
        let unanswered: Vec<&str> = rules::rule::RULES
            .iter()
            .filter(|rule| !rule.tags.iter().any(|tag| tags.contains(tag.as_str())))
            .map(|rule| rule.id.as_str())
            .collect();
        let context = [
            "flagged-process-in-inventory",
            "flagged-program-runs",
            "pattern-of-process",
            "forwards-with-nat",
            "signs-appeared-together",
            "ssh-session-process",
        ];
        assert_eq!(unanswered, context);
    }
}
