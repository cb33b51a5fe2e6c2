//! Task `correlation`: the findings of one cluster among others of its scan, and what is joined.
//!
//! The answer follows from the prompt: `part` chooses the correlations and findings that it shows, `note` adds what rules ask beside
//! the text of a finding.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use findings::{Correlation, EnrichedFinding};
use rules::rule::RULES;
use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::prompt::joined::tells;
use crate::prompt::listing::{Listing, Seen, across, ids};
use crate::prompt::visible::Visible;
use crate::tasks::example::{Example, SCAN_BYTES};
use crate::tasks::note::Notes;
use crate::tasks::part::{self, Asked, LISTED};
use crate::tasks::task::Task;

/// Findings beside those of a cluster that nothing joins.
const OTHERS: usize = 4;
/// How many members a prompt lists at most: fewer where more would be too long.
const SIZES: [usize; 6] = [LISTED, 14, 10, 6, 4, 2];

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

/// Gives an example for each cluster of which a part can be shown, and one of findings that nothing joins, whose answer is empty: one
/// by one, as a large scan may have very many clusters.
pub fn each_example<E>(
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    visible: &[Visible],
    each: impl FnMut(Example) -> Result<(), E>,
) -> Result<(), E> {
    let (scan, clusters) = Scan::of(findings, correlations, visible);
    clusters.into_values().filter_map(|members| scan.example(members)).try_for_each(each)
}

/// Findings by cluster.
pub(crate) type Clusters<'a> = BTreeMap<&'a str, Vec<Seen<'a>>>;

/// The context that the examples of one scan share.
pub(crate) struct Scan<'a> {
    /// Findings that nothing joins, in a drawn order.
    others: Vec<Seen<'a>>,
    /// Findings that other hosts share.
    across: BTreeSet<&'a str>,
    /// Correlations that can be asked for.
    asked: Asked<'a>,
    /// The notes: properties that rules ask of findings and that their lines do not show.
    pub(crate) notes: Notes<'a>,
}

impl<'a> Scan<'a> {
    /// A scan and its clusters; an empty one where there are none.
    pub(crate) fn of(
        findings: &'a [EnrichedFinding],
        correlations: &'a [Correlation],
        visible: &'a [Visible],
    ) -> (Scan<'a>, Clusters<'a>) {
        let mut clusters = Clusters::new();
        let mut others: Vec<Seen<'_>> = Vec::new();
        let mut pids = BTreeSet::new();
        for (finding, visible) in findings.iter().zip(visible) {
            match &finding.cluster_id {
                Some(cluster) => clusters.entry(cluster).or_default().push(Seen { finding, visible }),
                None if visible.determined && finding.correlation_refs.is_empty() => {
                    others.push(Seen { finding, visible });
                }
                None => continue,
            }
            if finding.scanner == "processes" {
                pids.insert(finding.id.as_str());
            }
        }
        // Each scan shows others than the next: what matters most is alike on every host.
        let drawn = |seen: &Seen<'_>| {
            let EnrichedFinding { host, scan, .. } = seen.finding;
            draws::hash(&format!("{host}\0{scan}\0{}", seen.visible.text))
        };
        others.sort_by_cached_key(|seen| (drawn(seen), seen.visible.text.clone()));
        others.dedup_by(|a, b| a.visible.text == b.visible.text);
        let new = findings.iter().filter(|finding| part::is_new(finding));
        let new: BTreeSet<&str> = new.map(|finding| finding.document_id.as_str()).collect();
        let asked: Vec<&Correlation> =
            correlations.iter().filter(|c| part::follows(c, |id| new.contains(id))).collect();
        // On most hosts most things have nothing to do with each other, and an answer must be able to say so.
        clusters.insert("", Vec::new());
        let asked = Asked::new(asked);
        let across = across(asked.all());
        (Scan { others, across, asked, notes: Notes::new(findings, &pids) }, clusters)
    }

    fn example(&self, members: Vec<Seen<'a>>) -> Option<Example> {
        SIZES.into_iter().filter_map(|most| self.of_size(&members, most)).find(|example| example.fits(SCAN_BYTES))
    }

    fn of_size(&self, members: &[Seen<'a>], most: usize) -> Option<Example> {
        let listing = self.listing(members, most)?;
        let host = &listing.items().first()?.visible.host;
        let (answers, class) = self.answers(&listing);
        let titles: BTreeSet<&str> = answers.iter().map(|answer| answer.title.as_str()).collect();
        Some(Example {
            task: Task::Correlation,
            findings: ids(listing.items().iter().copied()),
            class,
            template: titles.into_iter().collect::<Vec<_>>().join("; "),
            prompt: format!("{host}\n{}", listing.text()),
            answer: serde_json::to_string(&answers).expect("plain data"),
        })
    }

    /// The joined findings of a list, and the severity of the gravest.
    pub(crate) fn answers(&self, listing: &Listing<'_>) -> (CorrelationAnswer, Severity) {
        // All of one host are listed or at most one is; what hosts share is marked at each finding.
        let asked = |correlation: &&Correlation| {
            let shown = listing.names(&correlation.related_finding_ids).len();
            shown >= if correlation.hosts.is_empty() { 2 } else { 1 }
        };
        let ids = listing.items().iter().map(|seen| seen.finding.document_id.as_str());
        let shown: Vec<&Correlation> = self.asked.of(ids).into_iter().filter(asked).collect();
        let answer = |correlation: &&Correlation| JoinedAnswer {
            title: correlation.title.clone(),
            related_finding_ids: listing.names(&correlation.related_finding_ids),
            techniques: correlation.techniques.clone(),
        };
        let answers = stated_once(shown.iter().map(|c| (c.rule.as_str(), answer(c))).collect());
        (answers, shown.iter().map(|correlation| correlation.severity).max().unwrap_or(Severity::Info))
    }

    /// The part of a cluster that is listed, at most `most`, with findings that nothing joins; none where no part of it can be shown.
    pub(crate) fn listing(&self, members: &[Seen<'a>], most: usize) -> Option<Listing<'a>> {
        let id = |seen: &Seen<'a>| seen.finding.document_id.as_str();
        let told = |seen: &Seen<'a>| seen.visible.determined && self.notes.of(seen.finding).is_some();
        let by_id = members.iter().map(|seen| (id(seen), told(seen))).collect();
        let listed = self.asked.listed(&by_id, most)?;
        let more = members.len() - listed.len();
        let beside = if listed.is_empty() { 2 * OTHERS } else { OTHERS }.min(most);
        let others = self.others.iter().filter(|seen| self.notes.of(seen.finding).is_some()).take(beside);
        let members = members.iter().filter(|seen| listed.contains(id(seen)));
        let note = |finding: &EnrichedFinding| self.notes.of(finding).unwrap_or_default();
        Some(Listing::with_notes(members.chain(others).copied(), more, &self.across, note))
    }
}

/// Each set of findings once, under the title of the rule that says most of it: one that says what it found before one that only counts,
/// then the gravest. It bears the techniques of all of them.
pub(crate) fn stated_once(mut answers: Vec<(&str, JoinedAnswer)>) -> CorrelationAnswer {
    let place = |rule: &str| RULES.iter().find(|own| own.id == rule).map(|own| (!tells(rule), Reverse(own.severity)));
    answers.sort_by_cached_key(|(rule, answer)| (place(rule), answer.title.clone()));
    let mut once: BTreeMap<Vec<String>, JoinedAnswer> = BTreeMap::new();
    for (_, answer) in answers {
        match once.get_mut(&answer.related_finding_ids) {
            Some(known) => known.techniques.extend(answer.techniques),
            None => drop(once.insert(answer.related_finding_ids.clone(), answer)),
        }
    }
    let mut answers: CorrelationAnswer = once.into_values().collect();
    for answer in &mut answers {
        answer.techniques.sort();
        answer.techniques.dedup();
    }
    answers.sort();
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_findings_is_stated_once_by_what_was_found() {
        let joined = |title: &str, ids: &[&str], techniques: &[&str]| JoinedAnswer {
            title: title.to_owned(),
            related_finding_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            techniques: techniques.iter().map(|id| (*id).to_owned()).collect(),
        };
        let answers = vec![
            ("signs-unseen-together", joined("unseen", &["f1", "f2"], &["T1105"])),
            ("flagged-process-in-inventory", joined("flagged", &["f1", "f2"], &[])),
            ("disguised-process", joined("disguised", &["f1", "f2"], &["T1036.005"])),
            ("signs-unseen-together", joined("unseen", &["f1", "f3"], &[])),
        ];
        let expected =
            vec![joined("disguised", &["f1", "f2"], &["T1036.005", "T1105"]), joined("unseen", &["f1", "f3"], &[])];
        assert_eq!(stated_once(answers), expected);
    }
}
