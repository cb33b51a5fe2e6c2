//! The same scanner, id, title and metadata twice in one scan; the same document id twice.

use std::collections::HashSet;

use crate::check::{Outcome, ScanView};

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome { items: view.findings.len() as u64, ..Outcome::default() };
    let mut seen = HashSet::new();
    let mut ids = HashSet::new();
    for finding in view.findings {
        if !seen.insert((&finding.scanner, &finding.id, &finding.title, &finding.metadata)) {
            outcome.violations.push(view.violation(finding, "/id", "this finding is there twice".to_owned()));
        }
        if !ids.insert(&finding.document_id) {
            outcome.violations.push(view.violation(finding, "/document_id", "this id is taken".to_owned()));
        }
    }
    outcome
}
