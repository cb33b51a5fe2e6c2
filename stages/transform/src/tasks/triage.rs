//! Task `triage`: one scan in short, and what to look at first, in the strict form that the agent parses.

use findings::{Correlation, EnrichedFinding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::action::Priority;
use crate::documents::document::Document;
use crate::prompt::visible::Visible;
use crate::tasks::example::Example;
use crate::tasks::overview::{Overview, label};
use crate::tasks::task::Task;

const CANDIDATES: usize = 8;
const TOP: usize = 3;
const ACTIONS: usize = 3;

/// The answer, with the agent's own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "SCREAMING_SNAKE_CASE")]
pub struct TriageAnswer {
    /// What to look at first.
    pub top_findings: Vec<String>,
    /// How many correlations there are.
    pub correlation_count: usize,
    /// By what is joined: high and critical where an attack is suspected.
    pub priority_level: Priority,
    /// What to do.
    pub response_actions: Vec<String>,
}

/// The example of one scan, which lists as many findings as fit; none where no finding can be shown. The answer follows from what the
/// prompt shows: level and order from what is joined, and the actions from the findings listed.
pub fn example(
    document: &Document<'_>,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
) -> Option<Example> {
    Example::of_most(CANDIDATES, |listed| listing(document, findings, correlations, visible, listed))
}

fn listing(
    document: &Document<'_>,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
    listed: usize,
) -> Option<Example> {
    let Overview { verdict, top, mut lines, list, ids, actions } =
        Overview::of(document, findings, correlations, visible, listed)?;
    let answer = TriageAnswer {
        top_findings: top.iter().take(TOP).map(|seen| label(seen.visible)).collect(),
        correlation_count: correlations.len(),
        priority_level: verdict.level,
        response_actions: actions.iter().take(ACTIONS).map(|action| action.title.clone()).collect(),
    };
    lines.insert(0, top.first()?.visible.host.clone());
    lines.push(list);
    Some(Example {
        task: Task::Triage,
        findings: ids,
        class: verdict.level.severity(),
        template: verdict.level.name().to_owned(),
        prompt: lines.join("\n"),
        answer: serde_json::to_string(&answer).expect("plain data"),
    })
}
