//! Values of the report are possible.

use crate::check::Outcome;
use crate::scans::view::ScanView;
use crate::values;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.raw.len());
    for (scanner, finding) in &view.raw {
        values::problems(
            scanner,
            &finding.id,
            |key| finding.get(key),
            |pointer, message| {
                view.tell_raw(&mut outcome, (scanner, &finding.id), pointer, message);
            },
        );
    }
    outcome
}
