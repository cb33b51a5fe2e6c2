//! The enriched findings are exactly those of the report.

use std::collections::BTreeMap;

use findings::EnrichedFinding;
use scan::{Finding, Metadata, Severity};

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    if view.report.is_err() {
        return Outcome::default();
    }
    let mut outcome = Outcome::of(view.raw.len().max(view.findings.len()));
    let same = view.raw.len() == view.findings.len()
        && view.raw.iter().zip(view.findings).all(|((scanner, raw), finding)| is_of(finding, scanner, raw));
    if !same {
        compare(view, &mut outcome);
    }
    outcome
}

fn is_of(finding: &EnrichedFinding, scanner: &str, raw: &Finding) -> bool {
    finding.scanner == scanner
        && finding.id == raw.id
        && finding.title == raw.title
        && finding.stated_severity() == raw.severity
        && finding.description == raw.description
        && finding.base_severity_score == raw.base_severity_score
        && finding.metadata == raw.metadata
}

type Key<'k> = (&'k str, &'k str, &'k str, Severity, &'k str, &'k Metadata, u8);

/// Finds what differs where something does, whatever the order.
fn compare(view: &ScanView<'_>, outcome: &mut Outcome) {
    let mut balance: BTreeMap<Key<'_>, i64> = BTreeMap::new();
    for (scanner, f) in &view.raw {
        let key = (*scanner, &*f.id, &*f.title, f.severity, &*f.description, &f.metadata, f.base_severity_score);
        *balance.entry(key).or_default() += 1;
    }
    for f in view.findings {
        let severity = f.stated_severity();
        let key = (&*f.scanner, &*f.id, &*f.title, severity, &*f.description, &f.metadata, f.base_severity_score);
        *balance.entry(key).or_default() -= 1;
    }
    for ((scanner, id, ..), count) in balance.into_iter().filter(|(_, count)| *count != 0) {
        let message = match count {
            1.. => format!("{count} in the report, missing among the findings"),
            _ => format!("{} among the findings that the report does not hold in this form", -count),
        };
        view.tell_raw(outcome, (scanner, id), "", message);
    }
    if outcome.violations.is_empty() {
        outcome.tell(view.place, "", "the findings are not in the order of scanner and id");
    }
}
