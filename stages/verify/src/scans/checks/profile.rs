//! Simulated findings have the titles, keys, formats and words that the scanner writes.

use scan::profile::Profile;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan of a simulated host.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let reference = Profile::reference();
    let mut outcome = Outcome::of(view.raw.len());
    for (scanner, finding) in &view.raw {
        for departure in reference.departures(scanner, finding) {
            view.tell_raw(&mut outcome, (scanner, &finding.id), "", departure.text);
        }
    }
    outcome
}
