//! The suspicion of a cluster, computed again from the correlations that speak of it: the points of each rule once, at most 100.
//!
//! A correlation names a limited number of its members. Those of a strong link are all in its cluster; those that a weak one leaves
//! unnamed may be in any, so its points may count there.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use findings::{Correlation, EnrichedFinding};

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// The most points that a cluster has.
const MOST: u32 = 100;

/// Points by rule.
type Points<'v> = BTreeMap<&'v str, u32>;

/// Checks one scan. A finding of a cluster without a suspicion, or the other way round, is told where clusters are.
pub(super) fn check(view: &ScanView<'_>, outcome: &mut Outcome) {
    let expected = Expected::of(view);
    let mut stated: HashMap<&str, u8> = HashMap::new();
    for finding in view.findings {
        let points = finding.cluster_suspicion;
        let called = points.is_some_and(|points| points >= view.suspect_at);
        if finding.suspected != called {
            let suspicion = points.map_or("no suspicion".to_owned(), |points| format!("a suspicion of {points}"));
            let message = format!(
                "{}, but of {suspicion} where `suspect_at` is {}; it must be that of `correlate`",
                finding.suspected, view.suspect_at
            );
            view.tell(outcome, finding, "/suspected", message);
        }
        let (Some(points), Some(cluster)) = (points, &finding.cluster_id) else { continue };
        let range = expected.range(cluster);
        let first = *stated.entry(cluster).or_insert(points);
        let message = match (range.contains(&u32::from(points)), range.start() == range.end()) {
            (false, true) => format!("{points}, computed again {}", range.start()),
            (false, false) => format!("{points}, computed again {} to {}", range.start(), range.end()),
            (true, _) if points != first => format!("{points}, but {first} of another finding of cluster `{cluster}`"),
            (true, _) => continue,
        };
        view.tell(outcome, finding, "/cluster_suspicion", message);
    }
}

/// The suspicion that follows from the correlations of a scan.
struct Expected<'v> {
    clusters: HashMap<&'v str, Points<'v>>,
    /// Of weak links that do not name all their members.
    anywhere: Points<'v>,
}

impl<'v> Expected<'v> {
    fn of(view: &'v ScanView<'_>) -> Expected<'v> {
        let mut expected = Expected { clusters: HashMap::new(), anywhere: Points::new() };
        if view.correlations.is_empty() {
            return expected;
        }
        let findings: HashMap<&str, &EnrichedFinding> =
            view.findings.iter().map(|finding| (finding.document_id.as_str(), finding)).collect();
        for correlation in view.correlations {
            expected.add(correlation, &findings);
        }
        expected
    }

    fn add(&mut self, correlation: &'v Correlation, findings: &HashMap<&str, &'v EnrichedFinding>) {
        let named = correlation.related_finding_ids.iter().filter_map(|id| findings.get(id.as_str()));
        let of_members = named.filter_map(|finding| finding.cluster_id.as_deref());
        let points = u32::from(correlation.risk_score_delta);
        for cluster in of_members.chain(correlation.cluster_id.as_deref()) {
            self.clusters.entry(cluster).or_default().insert(&correlation.rule, points);
        }
        let unnamed = correlation.member_count as usize > correlation.related_finding_ids.len();
        if unnamed && correlation.cluster_id.is_none() {
            self.anywhere.insert(&correlation.rule, points);
        }
    }

    /// The lowest and the highest that a cluster can have.
    fn range(&self, cluster: &str) -> RangeInclusive<u32> {
        let none = Points::new();
        let points = self.clusters.get(cluster).unwrap_or(&none);
        let least: u32 = points.values().sum();
        let more: u32 = self.anywhere.iter().filter(|(rule, _)| !points.contains_key(*rule)).map(|(_, p)| p).sum();
        least.min(MOST)..=(least + more).min(MOST)
    }
}
