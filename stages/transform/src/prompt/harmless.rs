//! Findings as prompts and summaries may quote them: the text of a report is data, so no id, path or title of one ends a line, colours a
//! terminal or turns letters around.

use std::borrow::Cow;

use contract::clean;
use findings::EnrichedFinding;

/// The findings with visible escapes in place of what acts; the ids by which others refer to them stay.
pub fn findings(all: &[EnrichedFinding]) -> Cow<'_, [EnrichedFinding]> {
    if all.iter().all(|finding| texts(finding).all(|text| matches!(clean::line(text), Cow::Borrowed(_)))) {
        return Cow::Borrowed(all);
    }
    Cow::Owned(all.iter().map(harmless).collect())
}

fn texts(finding: &EnrichedFinding) -> impl Iterator<Item = &str> {
    let EnrichedFinding { scanner, id, title, description, metadata, host_role_rationale, .. } = finding;
    let own = [scanner, id, title, description, host_role_rationale];
    own.into_iter().chain(metadata.iter().flat_map(|(key, value)| [key, value])).map(String::as_str)
}

fn harmless(finding: &EnrichedFinding) -> EnrichedFinding {
    let line = |text: &str| clean::line(text).into_owned();
    EnrichedFinding {
        scanner: line(&finding.scanner),
        id: line(&finding.id),
        title: line(&finding.title),
        description: line(&finding.description),
        metadata: finding.metadata.iter().map(|(key, value)| (line(key), line(value))).collect(),
        host_role_rationale: line(&finding.host_role_rationale),
        ..finding.clone()
    }
}
