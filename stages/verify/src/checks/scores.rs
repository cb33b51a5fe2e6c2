//! Severity, base score, risk, subscores and probability agree: all of them are computed again from what they depend on.

use std::collections::{BTreeSet, HashMap};

use correlate::EnrichedFinding;
use correlate::host::{assess, subscores};
use scan::{Finding, Severity};

use crate::check::{Outcome, ScanView};

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome { items: view.findings.len() as u64, ..Outcome::default() };
    let deltas: HashMap<&str, u32> =
        view.correlations.iter().map(|c| (c.id.as_str(), u32::from(c.risk_score_delta))).collect();
    for finding in view.findings {
        let mut differs = |pointer: &str, message: String| {
            outcome.violations.push(view.violation(finding, pointer, message));
        };
        let severity = stated_severity(finding);
        let base = finding.base_severity_score;
        // Operational findings carry 0 whatever their severity.
        if base != severity.score() && base != 0 {
            differs("/base_severity_score", format!("{base}, but severity {severity} scores {}", severity.score()));
        }
        let risk = assess_again(finding, severity);
        if finding.risk_score != risk.score {
            differs("/risk_score", format!("{}, computed again {}", finding.risk_score, risk.score));
        }
        if finding.risk_subscores != subscores(&risk) {
            let message = format!("{:?}, computed again {:?}", finding.risk_subscores, subscores(&risk));
            differs("/risk_subscores", message);
        }
        if finding.probability_actionable != risk.probability {
            let message = format!("{}, computed again {}", finding.probability_actionable, risk.probability);
            differs("/probability_actionable", message);
        }
        let added: u32 = finding.correlation_refs.iter().filter_map(|id| deltas.get(id.as_str())).sum();
        let total = (u32::from(risk.score) + added).min(100);
        if u32::from(finding.risk_total) != total {
            differs("/risk_total", format!("{}, computed again {total}", finding.risk_total));
        }
    }
    outcome
}

fn stated_severity(finding: &EnrichedFinding) -> Severity {
    if finding.operational_error { Severity::Error } else { finding.severity }
}

fn assess_again(finding: &EnrichedFinding, severity: Severity) -> correlate::risk::Risk {
    let raw = Finding::new("", "", severity, "");
    let tags: BTreeSet<String> = finding.tags.iter().cloned().collect();
    assess(finding.risk_profile, &finding.scanner, &raw, &tags, finding.sightings)
}
