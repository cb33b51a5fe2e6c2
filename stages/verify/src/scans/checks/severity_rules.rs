//! Severities are those that the scanner's own rules give, where the report shows what a rule depends on.

use scan::Severity;
use scan::rules::{HostContext, severity_of};

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let apparmor = view.raw.iter().any(|(scanner, f)| *scanner == "mac" && f.id == "apparmor" && f.flag("enabled"));
    // Whether the host is a container is not always visible; then either answer is right.
    let possible: &[bool] = match view.findings.first().and_then(|finding| finding.container) {
        None => &[false, true],
        Some(false) => &[false],
        Some(true) => &[true],
    };
    for (scanner, finding) in view.raw.iter().filter(|(_, finding)| finding.severity != Severity::Error) {
        let mut given = possible
            .iter()
            .filter_map(|&container| severity_of(scanner, finding, HostContext { container, apparmor }))
            .peekable();
        let Some(&first) = given.peek() else { continue };
        outcome.items += 1;
        if !given.any(|severity| severity == finding.severity) {
            let message = format!("{}, the scanner gives {first}", finding.severity);
            view.tell_raw(&mut outcome, (scanner, &finding.id), "/severity", message);
        }
    }
    outcome
}
