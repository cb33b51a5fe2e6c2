//! Severity, base score, risk, subscores, probability and suspicion agree: all of them are computed again from what they depend on.

use std::collections::HashMap;

use findings::EnrichedFinding;
use findings::risk::{self, Factors, Risk};
use scan::Severity;

use super::suspicion;
use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len());
    let deltas: HashMap<&str, u32> =
        view.correlations.iter().map(|c| (c.id.as_str(), u32::from(c.risk_score_delta))).collect();
    for finding in view.findings {
        let mut differs = |pointer: &str, message: String| view.tell(&mut outcome, finding, pointer, message);
        let severity = finding.stated_severity();
        let base = finding.base_severity_score;
        // Operational findings carry 0 whatever their severity.
        if base != severity.score() && base != 0 {
            differs("/base_severity_score", format!("{base}, but severity {severity} scores {}", severity.score()));
        }
        let risk = assess(finding, severity);
        if finding.risk_score != risk.score {
            differs("/risk_score", format!("{}, computed again {}", finding.risk_score, risk.score));
        }
        let parts = risk.subscores();
        if finding.risk_subscores != parts {
            differs("/risk_subscores", format!("{:?}, computed again {parts:?}", finding.risk_subscores));
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
    suspicion::check(view, &mut outcome);
    outcome
}

fn assess(finding: &EnrichedFinding, severity: Severity) -> Risk {
    let EnrichedFinding { risk_profile: profile, scanner, metadata, .. } = finding;
    let tags = finding.tags.iter().map(String::as_str);
    risk::assess(*profile, &Factors::of(*profile, scanner, severity, metadata, tags, finding.seen_before()))
}
