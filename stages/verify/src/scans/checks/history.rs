//! Baseline status agrees with the number of earlier scans that hold a finding, and that with the scans there are.

use std::collections::BTreeMap;

use findings::BaselineStatus;
use scan::Coverage;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len());
    for finding in view.findings {
        // Whether fewer are right, the pass over the scans of a host sees.
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

/// The history that the findings of a scan claim: scanner, earlier scans and sightings, with the place of the first that says so.
pub(crate) type Claims = BTreeMap<(String, u32, u32), String>;

/// The claims of one scan.
pub(crate) fn claims(view: &ScanView<'_>) -> Claims {
    let mut claims = Claims::new();
    for finding in view.findings {
        let claim = (finding.scanner.clone(), finding.earlier_scans, finding.sightings);
        claims.entry(claim).or_insert_with(|| view.place_of(finding));
    }
    claims
}

/// Checks that findings are held against exactly those of the `earlier` scans that would have shown them.
pub(crate) fn compared(claims: &Claims, earlier: &[Coverage], now: &Coverage) -> Outcome {
    let mut outcome = Outcome::default();
    for ((scanner, claimed, sightings), place) in claims {
        let comparable = earlier.iter().filter(|scan| scan.compares(now, scanner)).count() as u32;
        let expected = comparable.max(*sightings);
        // More than there are is told by finding.
        if *claimed != expected && *claimed as usize <= earlier.len() {
            let message = format!("{claimed}, but {expected} earlier scans would have shown it");
            outcome.tell(place.as_str(), "/earlier_scans", message);
        }
    }
    outcome
}
