//! Reports are what `v2.json` asks for, and in the form that reading leaves as it is.

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(1);
    for mismatch in view.mismatches {
        outcome.tell(view.place, &mismatch.pointer, &mismatch.message);
    }
    match view.report {
        // What cannot be read and has no mismatch is wrong in a way that the schema does not ask about.
        Err(error) if view.mismatches.is_empty() => outcome.tell(view.place, "", error),
        Ok((_, changes)) if *changes != scan::Changes::default() => {
            outcome.tell(view.place, "", format!("the report is not in the valid form: {changes}"));
        }
        _ => {}
    }
    outcome
}
