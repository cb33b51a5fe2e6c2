//! Findings and correlations name each other, both ways; what is joined lies in one cluster.

use std::collections::{HashMap, HashSet};

use correlate::EnrichedFinding;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len() + view.correlations.len());
    let members = members(view, &mut outcome);
    for finding in view.findings {
        for (place, id) in finding.correlation_refs.iter().enumerate() {
            if !members.contains(&(finding.document_id.as_str(), id.as_str())) {
                let message = format!("no correlation `{id}` names this finding");
                view.tell(&mut outcome, finding, &format!("/correlation_refs/{place}"), message);
            }
        }
        let joined = !finding.correlation_refs.is_empty();
        if joined != finding.cluster_id.is_some() {
            let message =
                if joined { "in a correlation and in no cluster" } else { "in a cluster and in no correlation" };
            view.tell(&mut outcome, finding, "/cluster_id", message.to_owned());
        }
        if joined != (finding.graph_degree > 0) {
            let message = format!("{} with {} correlations", finding.graph_degree, finding.correlation_refs.len());
            view.tell(&mut outcome, finding, "/graph_degree", message);
        }
    }
    outcome
}

/// Checks what the correlations name, and gives it.
fn members<'v>(view: &'v ScanView<'_>, outcome: &mut Outcome) -> HashSet<(&'v str, &'v str)> {
    let mut members = HashSet::new();
    if view.correlations.is_empty() {
        return members;
    }
    let findings: HashMap<&str, &EnrichedFinding> =
        view.findings.iter().map(|finding| (finding.document_id.as_str(), finding)).collect();
    for correlation in view.correlations {
        let mut tell = |place: usize, message: String| {
            let at = format!("{} {}", view.place, correlation.id);
            outcome.tell(at, format!("/related_finding_ids/{place}"), message);
        };
        let mut cluster = None;
        for (place, id) in correlation.related_finding_ids.iter().enumerate() {
            members.insert((id.as_str(), correlation.id.as_str()));
            match findings.get(id.as_str()) {
                None => tell(place, format!("there is no finding `{id}`")),
                Some(finding) if !finding.correlation_refs.contains(&correlation.id) => {
                    tell(place, format!("finding `{id}` does not name it back"));
                }
                Some(finding) => {
                    if *cluster.get_or_insert(&finding.cluster_id) != &finding.cluster_id {
                        tell(place, format!("finding `{id}` is in another cluster than the first"));
                    }
                }
            }
        }
    }
    members
}
