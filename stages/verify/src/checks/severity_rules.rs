//! Severities are those that the scanner's own rules give, where the report shows what a rule depends on.

use scan::Finding;
use scan::rules::{HostContext, severity_of};

use correlate::EnrichedFinding;

use crate::check::{Outcome, ScanView};

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let apparmor = view.findings.iter().any(|f| {
        f.scanner == "mac" && f.id == "apparmor" && f.metadata.get("enabled").is_some_and(|value| value == "true")
    });
    for finding in view.findings.iter().filter(|f| !f.operational_error) {
        // Whether the host is a container is not always visible; then either answer is right.
        let possible = finding.container.map_or(vec![false, true], |container| vec![container]);
        let raw = raw(finding);
        let given: Vec<_> = possible
            .into_iter()
            .filter_map(|container| severity_of(&finding.scanner, &raw, HostContext { container, apparmor }))
            .collect();
        let Some(first) = given.first() else { continue };
        outcome.items += 1;
        if !given.contains(&finding.severity) {
            let message = format!("{}, the scanner gives {first}", finding.severity);
            outcome.violations.push(view.violation(finding, "/severity", message));
        }
    }
    outcome
}

fn raw(finding: &EnrichedFinding) -> Finding {
    Finding {
        id: finding.id.clone(),
        title: finding.title.clone(),
        severity: finding.severity,
        description: finding.description.clone(),
        metadata: finding.metadata.clone(),
        base_severity_score: finding.base_severity_score,
        risk_score: finding.base_severity_score,
    }
}
