//! The part of a prompt that tasks `summary` and `triage` share: a scan in short. Its answer is written from exactly this.

use std::collections::{BTreeMap, BTreeSet};

use findings::{Correlation, EnrichedFinding};

use crate::documents::action::{self, Action};
use crate::documents::document::Document;
use crate::documents::reduction::Reductions;
use crate::documents::summary;
use crate::documents::verdict::Verdict;
use crate::prompt::listing::{Listing, Seen, across, ids};
use crate::prompt::visible::{Visible, telling};
use crate::tasks::note::Notes;

/// Ports that the counts name.
const PORTS: usize = 8;
/// Titles of correlations.
const TITLES: usize = 8;
/// Findings whose correlations an answer may tell.
const ANSWERED: usize = 5;

/// A scan in short.
pub(crate) struct Overview<'a> {
    /// How grave it is.
    pub verdict: Verdict,
    /// The findings listed, most important first.
    pub top: Vec<Seen<'a>>,
    /// The lines below the first one.
    pub lines: Vec<String>,
    /// The list of findings.
    pub list: String,
    /// Their ids, in the order of the list: f1 is the first.
    pub ids: Vec<String>,
    /// What the findings of the list ask for, most urgent first.
    pub actions: Vec<Action>,
}

impl<'a> Overview<'a> {
    /// That of a scan, with at most `listed` findings; none where no finding can be shown.
    pub(crate) fn of(
        document: &Document<'_>,
        findings: &'a [EnrichedFinding],
        correlations: &[Correlation],
        visible: &'a [Visible],
        listed: usize,
    ) -> Option<Overview<'a>> {
        let notes = Notes::new(findings, &findings.iter().map(|finding| finding.id.as_str()).collect());
        let top = summary::top(findings, visible, listed, |finding| notes.of(finding).is_some());
        top.first()?;
        let verdict = Verdict::of(findings);
        let more = findings.len() - top.len();
        let note = |finding: &EnrichedFinding| noted(&notes, finding);
        let listing = Listing::with_notes(top.iter().copied(), more, &across(correlations), note);
        let shown: Vec<&EnrichedFinding> = listing.items().iter().map(|seen| seen.finding).collect();
        let of_shown = |correlation: &&Correlation| !listing.names(&correlation.related_finding_ids).is_empty();
        let actions = action::of(&shown, &correlations.iter().filter(of_shown).collect::<Vec<_>>());
        let mut lines = inventory(&document.reductions);
        lines.push(verdict.line());
        let answered = top.iter().take(ANSWERED).filter_map(|seen| seen.visible.joined.told());
        lines.extend(joined(correlations, &listing, &answered.collect()));
        lines.push(format!("correlations: {}", correlations.len()));
        let ids = ids(listing.items().iter().copied());
        Some(Overview { verdict, top, lines, list: listing.text(), ids, actions })
    }
}

/// What a line says beside its text: all that actions ask of a finding, and whether it is of a suspected attack.
pub(crate) fn noted(notes: &Notes<'_>, finding: &EnrichedFinding) -> String {
    let suspected = if finding.suspected { "; suspected" } else { "" };
    format!("{}{suspected}", notes.of(finding).unwrap_or_default())
}

/// How an answer names a finding: as its line does.
pub(crate) fn label(visible: &Visible) -> String {
    format!("{}: {}", visible.scanner, visible.text)
}

/// Correlations by title, those that say most: how many of a title, and which of the listed findings they name.
/// `answered` are the titles that an answer tells.
fn joined(correlations: &[Correlation], listing: &Listing<'_>, answered: &BTreeSet<&str>) -> Vec<String> {
    let listed: BTreeSet<&str> = listing.items().iter().map(|seen| seen.finding.document_id.as_str()).collect();
    let mut titles: Vec<&str> = Vec::new();
    let mut of_title: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
    for correlation in telling(correlations) {
        if !titles.contains(&correlation.title.as_str()) {
            titles.push(&correlation.title);
        }
        let (count, ids) = of_title.entry(&correlation.title).or_default();
        *count += 1;
        ids.extend(correlation.related_finding_ids.iter().filter(|id| listed.contains(id.as_str())).cloned());
    }
    titles.sort_by_key(|title| !answered.contains(title));
    let line = |title: &&str| {
        let (count, ids) = &of_title[*title];
        let names = listing.names(ids);
        let of = if names.is_empty() { String::new() } else { format!(" {}", names.join(" ")) };
        format!("joined {count}x{of}: {title}")
    };
    titles.iter().take(TITLES).map(line).collect()
}

/// The counts of the reductions, in lines.
fn inventory(reductions: &Reductions) -> Vec<String> {
    let network = &reductions.network_summary;
    let ports: Vec<&str> = network.top_listen_ports.iter().take(PORTS).map(|(port, _)| port.as_str()).collect();
    let mut lines = vec![format!("listens: {} ({})", network.listen_count, ports.join(" "))];
    if let Some(modules) = &reductions.module_summary {
        let mut notable: Vec<&str> = modules.notable_modules.iter().map(String::as_str).collect();
        notable.sort_unstable();
        notable.dedup();
        lines.push(format!("modules: {}, notable: {}", modules.module_count, notable.join(" ")));
    }
    if let Some(suid) = &reductions.suid_summary {
        lines.push(format!("suid: {}, unexpected: {}", suid.suid_total, suid.unexpected_suid.len()));
    }
    lines
}
