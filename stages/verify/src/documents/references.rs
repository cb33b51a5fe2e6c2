//! Everything in a document that names a finding, a correlation or a host names one that is there. One function a rule.

use std::collections::{HashMap, HashSet};

use super::view::{Document, Finding};
use crate::check::Outcome;

/// Checks a document of a host and scan.
pub(super) fn check(place: &str, (host, scan): (&str, u32), document: &Document<'_>) -> Outcome {
    let outcome = Outcome::of(document.enriched_findings.len() + document.correlations.len());
    let findings = document.enriched_findings.iter().map(|finding| (&*finding.id, finding)).collect();
    let mut references = References { place, document, findings, outcome };
    references.members_name_their_correlation();
    references.findings_agree_with_correlations_and_graph();
    let mut named = references.clusters_hold_their_findings();
    named.extend(references.named_by_actions_and_reductions());
    named.extend(references.shared_correlations_are_here(host));
    references.named_findings_exist(named);
    references.actions_name_correlations();
    references.place_is_its_own(host, scan);
    references.graph_counts_are_right();
    references.outcome
}

/// A document with its findings by id.
struct References<'d> {
    place: &'d str,
    document: &'d Document<'d>,
    findings: HashMap<&'d str, &'d Finding<'d>>,
    outcome: Outcome,
}

/// The JSON pointer to the id of a finding, and the id.
type Named<'d> = (String, &'d str);

impl<'d> References<'d> {
    fn tell(&mut self, pointer: String, message: String) {
        self.outcome.tell(self.place, pointer, message);
    }

    fn members_name_their_correlation(&mut self) {
        for (c, correlation) in self.document.correlations.iter().enumerate() {
            for (index, id) in correlation.related_finding_ids.iter().enumerate() {
                let message = match self.findings.get(&**id) {
                    None => format!("there is no finding `{}`", &**id),
                    Some(finding) if !finding.correlation_refs.contains(&correlation.id) => {
                        format!("finding `{}` does not name it back", &**id)
                    }
                    Some(_) => continue,
                };
                self.tell(format!("/correlations/{c}/related_finding_ids/{index}"), message);
            }
        }
    }

    fn findings_agree_with_correlations_and_graph(&mut self) {
        let correlations = self.document.correlations.iter();
        let members: HashSet<(&str, &str)> =
            correlations.flat_map(|c| c.related_finding_ids.iter().map(|id| (&**id, &*c.id))).collect();
        let mut degrees: HashMap<&str, u64> = HashMap::new();
        members.iter().for_each(|(finding, _)| *degrees.entry(finding).or_default() += 1);
        let clusters = self.document.correlation_graph.clusters.iter();
        let clustered: HashSet<(&str, &str)> =
            clusters.flat_map(|(cluster, ids)| ids.iter().map(|id| (&**cluster, &**id))).collect();
        for (f, finding) in self.document.enriched_findings.iter().enumerate() {
            for (index, id) in finding.correlation_refs.iter().enumerate() {
                if !members.contains(&(&*finding.id, &**id)) {
                    let message = format!("no correlation `{}` names this finding", &**id);
                    self.tell(format!("/enriched_findings/{f}/correlation_refs/{index}"), message);
                }
            }
            if let Some(cluster) = &finding.cluster_id
                && !clustered.contains(&(&**cluster, &*finding.id))
            {
                let message = format!("the graph's cluster `{}` does not hold it", &**cluster);
                self.tell(format!("/enriched_findings/{f}/cluster_id"), message);
            }
            let named = degrees.get(&*finding.id).copied().unwrap_or(0);
            if let Some(degree) = finding.graph_degree.filter(|degree| *degree != named) {
                let message = format!("{degree}, but {named} correlations name it");
                self.tell(format!("/enriched_findings/{f}/graph_degree"), message);
            }
        }
    }

    fn clusters_hold_their_findings(&mut self) -> Vec<Named<'d>> {
        let document = self.document;
        let mut named = Vec::new();
        for (cluster, ids) in &document.correlation_graph.clusters {
            for (index, id) in ids.iter().enumerate() {
                let pointer = format!("/correlation_graph/clusters/{}/{index}", &**cluster);
                match self.findings.get(&**id) {
                    Some(finding) if finding.cluster_id.as_ref() != Some(cluster) => {
                        self.tell(pointer, format!("finding `{}` does not say that it is in this cluster", &**id));
                    }
                    _ => named.push((pointer, &**id)),
                }
            }
        }
        named
    }

    fn named_by_actions_and_reductions(&self) -> Vec<Named<'d>> {
        let document = self.document;
        let mut named = Vec::new();
        for (a, action) in document.actions.iter().enumerate() {
            let of = |(index, id)| (format!("/actions/{a}/finding_ids/{index}"), id);
            named.extend(action.finding_ids.iter().map(|id| &**id).enumerate().map(of));
        }
        let top = document.reductions.top_findings.iter().enumerate();
        named.extend(top.map(|(index, top)| (format!("/reductions/top_findings/{index}/id"), &*top.id)));
        let risks = document.reductions.top_risks.ids.iter().enumerate();
        named.extend(risks.map(|(index, id)| (format!("/reductions/top_risks/ids/{index}"), &**id)));
        named
    }

    fn shared_correlations_are_here(&mut self, host: &str) -> Vec<Named<'d>> {
        let document = self.document;
        let mut named = Vec::new();
        for (m, shared) in document.multi_host_correlation.iter().enumerate() {
            let of = |(index, id)| (format!("/multi_host_correlation/{m}/related_finding_ids/{index}"), id);
            named.extend(shared.related_finding_ids.iter().map(|id| &**id).enumerate().map(of));
            if !shared.hosts.iter().any(|own| **own == *host) {
                self.tell(format!("/multi_host_correlation/{m}/hosts"), format!("`{host}` is not among them"));
            }
            if !document.correlations.iter().any(|correlation| correlation.id == shared.id) {
                let message = format!("there is no correlation `{}`", &*shared.id);
                self.tell(format!("/multi_host_correlation/{m}/id"), message);
            }
        }
        named
    }

    fn named_findings_exist(&mut self, named: Vec<Named<'d>>) {
        for (pointer, id) in named {
            if !self.findings.contains_key(id) {
                self.tell(pointer, format!("there is no finding `{id}`"));
            }
        }
    }

    fn actions_name_correlations(&mut self) {
        let document = self.document;
        for (a, action) in document.actions.iter().enumerate() {
            for (index, id) in action.correlation_refs.iter().enumerate() {
                if !document.correlations.iter().any(|correlation| correlation.id == *id) {
                    let message = format!("there is no correlation `{}`", &**id);
                    self.tell(format!("/actions/{a}/correlation_refs/{index}"), message);
                }
            }
        }
    }

    fn place_is_its_own(&mut self, host: &str, scan: u32) {
        let reference = &self.document.raw_reference;
        if reference.host.as_ref().is_some_and(|own| **own != *host) {
            self.tell("/raw_reference/host".to_owned(), format!("the document lies under `{host}`"));
        }
        if reference.scan.is_some_and(|own| own != scan) {
            self.tell("/raw_reference/scan".to_owned(), format!("the document is number {scan}"));
        }
    }

    fn graph_counts_are_right(&mut self) {
        let graph = &self.document.correlation_graph;
        for (key, stated, is) in [
            ("finding_count", graph.finding_count, self.document.enriched_findings.len()),
            ("correlation_count", graph.correlation_count, self.document.correlations.len()),
        ] {
            if let Some(stated) = stated.filter(|stated| *stated != is as u64) {
                self.tell(format!("/correlation_graph/{key}"), format!("{stated}, but there are {is}"));
            }
        }
    }
}
