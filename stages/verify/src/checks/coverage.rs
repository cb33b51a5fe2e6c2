//! The enriched findings are exactly those of the report.

use std::collections::BTreeMap;

use scan::{Metadata, Severity};

use crate::check::{Outcome, ScanView};
use crate::report::Violation;

type Key<'k> = (&'k str, &'k str, &'k str, Severity, &'k str, &'k Metadata, u8);

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let Ok((report, _)) = view.report else { return Outcome::default() };
    let mut balance: BTreeMap<Key<'_>, i64> = BTreeMap::new();
    for (scanner, f) in report.findings() {
        let key = (
            scanner,
            f.id.as_str(),
            f.title.as_str(),
            f.severity,
            f.description.as_str(),
            &f.metadata,
            f.base_severity_score,
        );
        *balance.entry(key).or_default() += 1;
    }
    for f in view.findings {
        let severity = if f.operational_error { Severity::Error } else { f.severity };
        let key = (
            f.scanner.as_str(),
            f.id.as_str(),
            f.title.as_str(),
            severity,
            f.description.as_str(),
            &f.metadata,
            f.base_severity_score,
        );
        *balance.entry(key).or_default() -= 1;
    }
    let violations = balance
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|((scanner, id, ..), count)| Violation {
            place: format!("{} {scanner} {id}", view.place),
            pointer: String::new(),
            message: match count {
                1.. => format!("{count} in the report, missing among the findings"),
                _ => format!("{} among the findings that the report does not hold in this form", -count),
            },
        })
        .collect();
    Outcome { items: report.findings().count().max(view.findings.len()) as u64, violations, crashed: false }
}
