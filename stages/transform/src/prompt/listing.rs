//! Findings as the prompts of whole scans list them: one short line each, named f1, f2, ... in the order of their text, so that
//! neither order nor name says anything about the answer.
//!
//! Processes are named p1, p2, ... in place of their pids: what belongs to one process can be seen, the number cannot.

use std::collections::{BTreeMap, BTreeSet};

use findings::{Correlation, EnrichedFinding};

use crate::prompt::visible::Visible;

/// A finding and what may be seen of it.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The finding.
    pub finding: &'a EnrichedFinding,
    /// The view of the finding.
    pub visible: &'a Visible,
}

/// Some findings of one scan, in the order of their lines.
pub struct Listing<'a> {
    items: Vec<Seen<'a>>,
    lines: Vec<String>,
    /// How many more there are.
    more: usize,
}

impl<'a> Listing<'a> {
    /// Lists `items`; `more` further ones are only counted. `across` holds the ids of findings that other hosts share.
    pub fn new(items: impl IntoIterator<Item = Seen<'a>>, more: usize, across: &BTreeSet<&str>) -> Listing<'a> {
        Listing::with_notes(items, more, across, |_| String::new())
    }

    /// The same with a note at the end of each line, which begins with `; ` where there is one.
    pub fn with_notes(
        items: impl IntoIterator<Item = Seen<'a>>,
        more: usize,
        across: &BTreeSet<&str>,
        note: impl Fn(&EnrichedFinding) -> String,
    ) -> Listing<'a> {
        let text = |seen: Seen<'a>| {
            let several = if across.contains(seen.finding.document_id.as_str()) { "; on several hosts" } else { "" };
            let Visible { scanner, text, history, .. } = seen.visible;
            (format!("{scanner}: {text}; {history}{several}{}", note(seen.finding)), seen)
        };
        let mut items: Vec<(String, Seen<'a>)> = items.into_iter().map(text).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let mut processes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut lines = Vec::new();
        for (place, (text, seen)) in items.iter().enumerate() {
            let next = processes.len() + 1;
            let process = pid(seen.finding).map(|pid| *processes.entry(pid).or_insert(next));
            let process = process.map(|number| format!("; p{number}")).unwrap_or_default();
            lines.push(format!("f{} {text}{process}", place + 1));
        }
        Listing { items: items.into_iter().map(|(_, seen)| seen).collect(), lines, more }
    }

    /// Nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The lines, with a last one about those that are not listed.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if self.more > 0 {
            text.push_str(&format!("\n... and {} more", self.more));
        }
        text
    }

    /// The listed findings.
    pub fn items(&self) -> &[Seen<'a>] {
        &self.items
    }

    /// The names of those listed among `ids`, in the order of the list.
    pub fn names(&self, ids: &[String]) -> Vec<String> {
        let named = |(place, seen): (usize, &Seen<'a>)| {
            ids.contains(&seen.finding.document_id).then(|| format!("f{}", place + 1))
        };
        self.items.iter().enumerate().filter_map(named).collect()
    }
}

/// The ids of findings, in their order.
pub(crate) fn ids<'a>(seen: impl IntoIterator<Item = Seen<'a>>) -> Vec<String> {
    seen.into_iter().map(|seen| seen.finding.document_id.clone()).collect()
}

/// The ids of findings that a correlation across hosts names.
pub fn across<'c>(correlations: impl IntoIterator<Item = &'c Correlation>) -> BTreeSet<&'c str> {
    let shared = correlations.into_iter().filter(|correlation| !correlation.hosts.is_empty());
    shared.flat_map(|correlation| correlation.related_finding_ids.iter().map(String::as_str)).collect()
}

fn pid(finding: &EnrichedFinding) -> Option<&str> {
    match finding.scanner.as_str() {
        "processes" => Some(&finding.id),
        _ => finding.metadata.get("pid").map(String::as_str).filter(|pid| !pid.is_empty()),
    }
}
