//! Findings and correlations name each other, both ways, and a correlation joins at least two findings or hosts.

use std::collections::{HashMap, HashSet};

use correlate::rule::RULES;

use crate::check::{Outcome, ScanView};
use crate::report::Violation;

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome { items: view.correlations.len() as u64, ..Outcome::default() };
    let findings: HashMap<&str, &[String]> =
        view.findings.iter().map(|f| (f.document_id.as_str(), f.correlation_refs.as_slice())).collect();
    let mut members: HashSet<(&str, &str)> = HashSet::new();
    for correlation in view.correlations {
        let mut report = |pointer: String, message: String| {
            let place = format!("{} {}", view.place, correlation.id);
            outcome.violations.push(Violation { place, pointer, message });
        };
        if !RULES.iter().any(|rule| rule.id == correlation.rule) {
            report("/rule".to_owned(), format!("there is no rule `{}`", correlation.rule));
        }
        if correlation.related_finding_ids.len() < 2 && correlation.hosts.len() < 2 {
            report(
                "/related_finding_ids".to_owned(),
                "joins fewer than two findings and fewer than two hosts".to_owned(),
            );
        }
        for (place, id) in correlation.related_finding_ids.iter().enumerate() {
            members.insert((id, &correlation.id));
            match findings.get(id.as_str()) {
                None => report(format!("/related_finding_ids/{place}"), format!("there is no finding `{id}`")),
                Some(refs) if !refs.contains(&correlation.id) => {
                    report(format!("/related_finding_ids/{place}"), format!("finding `{id}` does not name it back"));
                }
                Some(_) => {}
            }
        }
    }
    for finding in view.findings {
        for (place, id) in finding.correlation_refs.iter().enumerate() {
            if !members.contains(&(finding.document_id.as_str(), id.as_str())) {
                let message = format!("no correlation `{id}` names this finding");
                outcome.violations.push(view.violation(finding, &format!("/correlation_refs/{place}"), message));
            }
        }
    }
    outcome
}
