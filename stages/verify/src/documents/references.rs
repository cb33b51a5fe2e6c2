//! Everything in a document that names a finding, a correlation or a host names one that is there.

use std::collections::{HashMap, HashSet};

use super::view::{Document, Finding};
use crate::check::Outcome;

/// Everything that names a finding, a correlation or a host names one that is there.
pub fn check(place: &str, file: (&str, u32), document: &Document<'_>) -> Outcome {
    let mut outcome = Outcome::of(document.enriched_findings.len() + document.correlations.len());
    let findings: HashMap<&str, &Finding<'_>> = document.enriched_findings.iter().map(|f| (&*f.id, f)).collect();
    let mut members = HashSet::new();
    let mut degrees: HashMap<&str, u64> = HashMap::new();
    let mut tell = |pointer: String, message: String| outcome.tell(place, pointer, message);
    for (c, correlation) in document.correlations.iter().enumerate() {
        for (index, id) in correlation.related_finding_ids.iter().enumerate() {
            let pointer = || format!("/correlations/{c}/related_finding_ids/{index}");
            if members.insert((&**id, &*correlation.id)) {
                *degrees.entry(id).or_default() += 1;
            }
            match findings.get(&**id) {
                None => tell(pointer(), format!("there is no finding `{}`", &**id)),
                Some(finding) if !finding.correlation_refs.contains(&correlation.id) => {
                    tell(pointer(), format!("finding `{}` does not name it back", &**id));
                }
                Some(_) => {}
            }
        }
    }
    let clusters = &document.correlation_graph.clusters;
    let clustered: HashSet<(&str, &str)> =
        clusters.iter().flat_map(|(cluster, ids)| ids.iter().map(|id| (&**cluster, &**id))).collect();
    for (f, finding) in document.enriched_findings.iter().enumerate() {
        for (index, id) in finding.correlation_refs.iter().enumerate() {
            if !members.contains(&(&*finding.id, &**id)) {
                let message = format!("no correlation `{}` names this finding", &**id);
                tell(format!("/enriched_findings/{f}/correlation_refs/{index}"), message);
            }
        }
        if let Some(cluster) = &finding.cluster_id
            && !clustered.contains(&(&**cluster, &*finding.id))
        {
            let message = format!("the graph's cluster `{}` does not hold it", &**cluster);
            tell(format!("/enriched_findings/{f}/cluster_id"), message);
        }
        let named = degrees.get(&*finding.id).copied().unwrap_or(0);
        if let Some(degree) = finding.graph_degree.filter(|degree| *degree != named) {
            let message = format!("{degree}, but {named} correlations name it");
            tell(format!("/enriched_findings/{f}/graph_degree"), message);
        }
    }
    let mut named: Vec<(String, &str)> = Vec::new();
    for (cluster, ids) in clusters {
        for (index, id) in ids.iter().enumerate() {
            let pointer = format!("/correlation_graph/clusters/{}/{index}", &**cluster);
            match findings.get(&**id) {
                Some(finding) if finding.cluster_id.as_ref() != Some(cluster) => {
                    tell(pointer, format!("finding `{}` does not say that it is in this cluster", &**id));
                }
                _ => named.push((pointer, id)),
            }
        }
    }
    for (a, action) in document.actions.iter().enumerate() {
        let of = |(index, id)| (format!("/actions/{a}/finding_ids/{index}"), id);
        named.extend(action.finding_ids.iter().map(|id| &**id).enumerate().map(of));
    }
    let top = document.reductions.top_findings.iter().enumerate();
    named.extend(top.map(|(index, top)| (format!("/reductions/top_findings/{index}/id"), &*top.id)));
    let risks = document.reductions.top_risks.ids.iter().enumerate();
    named.extend(risks.map(|(index, id)| (format!("/reductions/top_risks/ids/{index}"), &**id)));
    for (m, shared) in document.multi_host_correlation.iter().enumerate() {
        let of = |(index, id)| (format!("/multi_host_correlation/{m}/related_finding_ids/{index}"), id);
        named.extend(shared.related_finding_ids.iter().map(|id| &**id).enumerate().map(of));
        if !shared.hosts.iter().any(|host| **host == *file.0) {
            tell(format!("/multi_host_correlation/{m}/hosts"), format!("`{}` is not among them", file.0));
        }
        if !document.correlations.iter().any(|correlation| correlation.id == shared.id) {
            tell(format!("/multi_host_correlation/{m}/id"), format!("there is no correlation `{}`", &*shared.id));
        }
    }
    for (pointer, id) in named.into_iter().filter(|(_, id)| !findings.contains_key(id)) {
        tell(pointer, format!("there is no finding `{id}`"));
    }
    for (a, action) in document.actions.iter().enumerate() {
        for (index, id) in action.correlation_refs.iter().enumerate() {
            if !document.correlations.iter().any(|correlation| correlation.id == *id) {
                tell(format!("/actions/{a}/correlation_refs/{index}"), format!("there is no correlation `{}`", &**id));
            }
        }
    }
    let reference = &document.raw_reference;
    if reference.host.as_ref().is_some_and(|host| **host != *file.0) {
        tell("/raw_reference/host".to_owned(), format!("the document lies under `{}`", file.0));
    }
    if reference.scan.is_some_and(|scan| scan != file.1) {
        tell("/raw_reference/scan".to_owned(), format!("the document is number {}", file.1));
    }
    let graph = &document.correlation_graph;
    for (key, stated, is) in [
        ("finding_count", graph.finding_count, document.enriched_findings.len()),
        ("correlation_count", graph.correlation_count, document.correlations.len()),
    ] {
        if let Some(stated) = stated.filter(|stated| *stated != is as u64) {
            tell(format!("/correlation_graph/{key}"), format!("{stated}, but there are {is}"));
        }
    }
    outcome
}
