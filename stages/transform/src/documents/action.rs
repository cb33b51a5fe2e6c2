//! Recommended actions: entries of `actions.yaml` that the findings of a scan ask for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use findings::{Correlation, EnrichedFinding};
use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::advice::{self, Kind};
use crate::documents::verdict::Rank;
use crate::prompt::listing::across;

/// Findings that one action names; the rest is only counted.
const NAMED_FINDINGS: usize = 10;

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    serde_yaml::from_str(include_str!("../../actions.yaml")).expect("the embedded table has its form")
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    of: Kind,
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
    /// The gravest severity of this urgency.
    pub fn severity(self) -> Severity {
        match self {
            Priority::Critical => Severity::Critical,
            Priority::High => Severity::High,
            Priority::Medium => Severity::Medium,
            Priority::Low => Severity::Low,
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
    /// The kind of finding that asks for it; not part of documents.
    #[serde(skip)]
    pub of: Kind,
    /// What asks for it.
    pub finding_ids: Vec<String>,
}

/// The actions that some findings ask for, most urgent first. `correlations` tell which findings other hosts share.
pub fn of(findings: &[&EnrichedFinding], correlations: &[&Correlation]) -> Vec<Action> {
    let shared = across(correlations.iter().copied());
    let mut asking: BTreeMap<Kind, Vec<&EnrichedFinding>> = BTreeMap::new();
    for finding in findings {
        for kind in advice::asks(finding, shared.contains(finding.document_id.as_str())) {
            asking.entry(kind).or_default().push(finding);
        }
    }
    let mut action = |template: &Template| {
        let asking = asking.get_mut(&template.of)?;
        asking.sort_by_key(|finding| Reverse(Rank::of(finding)));
        Some(template.action(asking.iter().take(NAMED_FINDINGS).map(|finding| finding.document_id.clone()).collect()))
    };
    let mut actions: Vec<Action> = TEMPLATES.iter().filter_map(&mut action).collect();
    actions.sort_by_key(|action| action.priority);
    for (number, action) in actions.iter_mut().enumerate() {
        action.id = format!("a{}", number + 1);
    }
    actions
}

impl Template {
    fn action(&self, finding_ids: Vec<String>) -> Action {
        Action {
            id: String::new(),
            title: self.title.clone(),
            description: self.description.clone(),
            priority: self.priority,
            severity: self.severity,
            of: self.of,
            finding_ids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_one_action_and_every_title_is_one_of_its_own() {
        let kinds: BTreeSet<Kind> = TEMPLATES.iter().map(|template| template.of).collect();
        let titles: BTreeSet<&str> = TEMPLATES.iter().map(|template| template.title.as_str()).collect();
        assert_eq!((kinds.len(), titles.len()), (TEMPLATES.len(), TEMPLATES.len()));
        assert!(
            kinds.contains(&Kind::Parameter) && kinds.len() == Kind::Parameter as usize + 1,
            "a kind has no action"
        );
    }
}
