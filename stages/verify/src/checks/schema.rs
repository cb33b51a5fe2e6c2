//! Reports read, and are in the form that `v2.json` asks for without being changed by the reading.

use crate::check::{Outcome, ScanView};
use crate::report::Violation;

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let violation = |message: String| {
        let violation = Violation { place: view.place.to_owned(), pointer: String::new(), message };
        Outcome { items: 1, violations: vec![violation], crashed: false }
    };
    match view.report {
        Err(error) => violation(error.to_string()),
        Ok((_, changes)) if *changes != scan::Changes::default() => {
            violation(format!("the report is not in the valid form: {changes}"))
        }
        Ok(_) => Outcome { items: 1, ..Outcome::default() },
    }
}
