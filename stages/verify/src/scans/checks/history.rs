//! Baseline status agrees with the number of earlier scans that hold a finding, and that with the scans there are.

use findings::BaselineStatus;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len());
    for finding in view.findings {
        // Fewer are right where some ran in another mode.
        if finding.earlier_scans > view.earlier {
            let message = format!("{}, but there are {}", finding.earlier_scans, view.earlier);
            view.tell(&mut outcome, finding, "/earlier_scans", message);
        }
        if finding.sightings > finding.earlier_scans {
            let message = format!("{} sightings in {} earlier scans", finding.sightings, finding.earlier_scans);
            view.tell(&mut outcome, finding, "/sightings", message);
        }
        let agrees = match finding.baseline_status {
            BaselineStatus::New => finding.seen_before() == 0,
            BaselineStatus::Existing => finding.seen_before() > 0,
            BaselineStatus::Unknown => false,
        };
        if !agrees {
            let message = format!("{:?} with {} sightings", finding.baseline_status, finding.seen_before());
            view.tell(&mut outcome, finding, "/baseline_status", message);
        }
    }
    outcome
}
