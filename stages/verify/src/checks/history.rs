//! Baseline status agrees with the number of earlier scans that hold a finding.

use correlate::BaselineStatus;

use crate::check::{Outcome, ScanView};

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome { items: view.findings.len() as u64, ..Outcome::default() };
    for finding in view.findings {
        if finding.sightings > finding.earlier_scans {
            let message = format!("{} sightings in {} earlier scans", finding.sightings, finding.earlier_scans);
            outcome.violations.push(view.violation(finding, "/sightings", message));
        }
        let agrees = match finding.baseline_status {
            BaselineStatus::New => finding.sightings == 0,
            BaselineStatus::Existing => finding.sightings > 0,
            BaselineStatus::Unknown => false,
        };
        if !agrees {
            let message = format!("{:?} with {} sightings", finding.baseline_status, finding.sightings);
            outcome.violations.push(view.violation(finding, "/baseline_status", message));
        }
    }
    outcome
}
