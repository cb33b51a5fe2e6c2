//! The same scanner, id, title and metadata twice in one scan; the same document id twice.
//!
//! The scanner itself lists every unit of a system whose `/lib` is a link twice. Such findings of a real host are kept and told as
//! tolerated; `coverage` sees to it that there are no more of them than in the report. Simulated hosts have none.

use std::collections::HashSet;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len());
    let mut ids = HashSet::with_capacity(view.findings.len());
    // `coverage` sees to it that they are sorted by scanner and id.
    for alike in view.findings.chunk_by(|a, b| a.id == b.id && a.scanner == b.scanner) {
        let mut seen = HashSet::new();
        for finding in alike {
            if alike.len() > 1 && !seen.insert((&finding.title, &finding.metadata)) {
                let place = view.place_of(finding);
                match view.simulated {
                    true => outcome.tell(place, "/id", "this finding is there twice"),
                    false => outcome.tell_tolerated(place, "/id", "this finding is there twice, as in the report"),
                }
            }
            if !ids.insert(finding.document_id.as_str()) {
                view.tell(&mut outcome, finding, "/document_id", "this id is taken".to_owned());
            }
        }
    }
    outcome
}
