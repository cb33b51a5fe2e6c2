//! Findings and correlations name each other, both ways; what a correlation of a cluster names lies in it.

use std::collections::{HashMap, HashSet};

use findings::EnrichedFinding;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len() + view.correlations.len());
    let members = members(view, &mut outcome);
    let named = degrees(view);
    let clusters: HashSet<&String> = view.correlations.iter().filter_map(|c| c.cluster_id.as_ref()).collect();
    for finding in view.findings {
        for (place, id) in finding.correlation_refs.iter().enumerate() {
            if !members.contains(&(finding.document_id.as_str(), id.as_str())) {
                let message = format!("no correlation `{id}` names this finding");
                view.tell(&mut outcome, finding, &format!("/correlation_refs/{place}"), message);
            }
        }
        if finding.cluster_id.as_ref().is_some_and(|cluster| !clusters.contains(cluster)) {
            view.tell(&mut outcome, finding, "/cluster_id", "in a cluster of no correlation".to_owned());
        }
        if finding.cluster_id.is_some() != finding.cluster_suspicion.is_some() {
            let suspicion = if finding.cluster_id.is_some() { "none, in a" } else { "one, without a" };
            view.tell(&mut outcome, finding, "/cluster_suspicion", format!("{suspicion} cluster"));
        }
        let degree = named.get(finding.document_id.as_str()).copied().unwrap_or(0);
        if finding.graph_degree != degree {
            let message = format!("{}, but {degree} correlations name it", finding.graph_degree);
            view.tell(&mut outcome, finding, "/graph_degree", message);
        }
    }
    outcome
}

/// How many correlations name each finding that one names.
fn degrees<'v>(view: &'v ScanView<'_>) -> HashMap<&'v str, u32> {
    let mut degrees = HashMap::new();
    for correlation in view.correlations {
        let distinct: HashSet<&str> = correlation.related_finding_ids.iter().map(String::as_str).collect();
        distinct.into_iter().for_each(|id| *degrees.entry(id).or_default() += 1);
    }
    degrees
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
        let at = format!("{} {}", view.place, correlation.id);
        for (place, host) in correlation.hosts.iter().enumerate().filter(|(_, host)| !(view.has_host)(host)) {
            outcome.tell(&*at, format!("/hosts/{place}"), format!("there is no scan of host `{host}`"));
        }
        let mut tell = |place: usize, message: String| {
            outcome.tell(&*at, format!("/related_finding_ids/{place}"), message);
        };
        for (place, id) in correlation.related_finding_ids.iter().enumerate() {
            members.insert((id.as_str(), correlation.id.as_str()));
            match findings.get(id.as_str()) {
                None => tell(place, format!("there is no finding `{id}`")),
                Some(finding) if !finding.correlation_refs.contains(&correlation.id) => {
                    tell(place, format!("finding `{id}` does not name it back"));
                }
                Some(finding) if correlation.cluster_id.is_some() && finding.cluster_id != correlation.cluster_id => {
                    tell(place, format!("finding `{id}` is in another cluster than the correlation"));
                }
                Some(_) => {}
            }
        }
    }
    members
}
