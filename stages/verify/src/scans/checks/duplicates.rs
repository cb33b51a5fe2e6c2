//! The same scanner, id, title and metadata twice in one scan; the same document id twice.

use std::collections::HashSet;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len());
    let mut ids = HashSet::with_capacity(view.findings.len());
    // `coverage` sees to it that they are sorted by scanner and id.
    for alike in view.findings.chunk_by(|a, b| a.id == b.id && a.scanner == b.scanner) {
        let mut seen = HashSet::new();
        for finding in alike {
            if alike.len() > 1 && !seen.insert((&finding.title, &finding.metadata)) {
                view.tell(&mut outcome, finding, "/id", "this finding is there twice".to_owned());
            }
            if !ids.insert(finding.document_id.as_str()) {
                view.tell(&mut outcome, finding, "/document_id", "this id is taken".to_owned());
            }
        }
    }
    outcome
}
