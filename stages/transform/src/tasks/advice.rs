//! Task `actions`: findings of one scan and what joins them, and what to do about them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use findings::{Correlation, EnrichedFinding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::action::{self, Action, Priority};
use crate::documents::verdict::Rank;
use crate::prompt::listing::{Listing, Seen, across, ids};
use crate::prompt::visible::Visible;
use crate::tasks::example::Example;
use crate::tasks::note::Notes;
use crate::tasks::overview::noted;
use crate::tasks::task::Task;

/// Findings that a prompt lists.
const LISTED: usize = 20;
/// How many of them may be such that nothing is to be done about.
const OTHERS: usize = 4;
/// Correlations that a prompt names.
const JOINED: usize = 16;

/// The answer: what to do, most urgent first.
pub type ActionsAnswer = Vec<ActionAnswer>;

/// One action of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionAnswer {
    /// What.
    pub title: String,
    /// How soon.
    pub priority: Priority,
    /// Names of the prompt's list.
    pub finding_ids: Vec<String>,
}

/// The example of one scan, which lists as many findings as fit. Answered from exactly what the prompt lists.
pub fn example(
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
    actions: &[Action],
) -> Option<Example> {
    let asking: BTreeSet<&str> = actions.iter().flat_map(|a| &a.finding_ids).map(String::as_str).collect();
    let notes = Notes::new(findings, &findings.iter().map(|finding| finding.id.as_str()).collect());
    let told = |(finding, visible): &(&EnrichedFinding, &Visible)| visible.determined && notes.of(finding).is_some();
    let determined = findings.iter().zip(visible).filter(told);
    let (mut asked, mut others): (Vec<Seen<'_>>, Vec<Seen<'_>>) = determined
        .map(|(finding, visible)| Seen { finding, visible })
        .partition(|seen| asking.contains(seen.finding.document_id.as_str()));
    for seen in [&mut asked, &mut others] {
        seen.sort_by_key(|seen| (Reverse(Rank::of(seen.finding)), &seen.visible.text));
    }
    others.dedup_by(|a, b| a.visible.text == b.visible.text);
    let listing = |listed: usize| {
        let (few, of_others) = (listed.saturating_sub(OTHERS).max(1), OTHERS.min(listed - 1));
        let more = asked.len().saturating_sub(few);
        let shown = asked.iter().take(few).chain(others.iter().take(of_others)).copied();
        Listing::with_notes(shown, more, &across(correlations), |finding| noted(&notes, finding))
    };
    Example::of_most(LISTED, |listed| answered(&listing(listed), correlations))
}

/// The example of a list.
fn answered(listing: &Listing<'_>, correlations: &[Correlation]) -> Option<Example> {
    let host = &listing.items().first()?.visible.host;
    let mut joined: Vec<(String, &Correlation)> = Vec::new();
    for correlation in correlations {
        let names = listing.names(&correlation.related_finding_ids);
        if !names.is_empty() {
            joined.push((format!("joined {}: {}", names.join(" "), correlation.title), correlation));
        }
    }
    joined.sort_by(|a, b| a.0.cmp(&b.0));
    joined.dedup_by(|a, b| a.0 == b.0);
    let shown: Vec<&EnrichedFinding> = listing.items().iter().map(|seen| seen.finding).collect();
    let correlations: Vec<&Correlation> = joined.iter().map(|(_, correlation)| *correlation).collect();
    let actions = action::of(&shown, &correlations);
    let answer = |action: &Action| ActionAnswer {
        title: action.title.clone(),
        priority: action.priority,
        finding_ids: listing.names(&action.finding_ids),
    };
    let answers: ActionsAnswer = actions.iter().map(answer).collect();
    let mut prompt = format!("{host}\n{}", listing.text());
    for (line, _) in joined.iter().take(JOINED) {
        prompt.push('\n');
        prompt.push_str(line);
    }
    if joined.len() > JOINED {
        prompt.push_str(&format!("\n... and {} more joined", joined.len() - JOINED));
    }
    let kinds: Vec<String> = actions.iter().map(|action| action.of.name()).collect();
    Some(Example {
        task: Task::Actions,
        findings: ids(listing.items().iter().copied()),
        class: shown.iter().map(|finding| finding.severity).max()?,
        template: kinds.join(" "),
        prompt,
        answer: serde_json::to_string(&answers).expect("plain data"),
    })
}
