//! Correlations are what their rules say, and join something.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use findings::{Correlation, EnrichedFinding};
use rules::rule::{Join, RULES, Rule};

use crate::check::Outcome;
use crate::scans::view::ScanView;

static BY_ID: LazyLock<HashMap<&str, &Rule>> =
    LazyLock::new(|| RULES.iter().map(|rule| (rule.id.as_str(), rule)).collect());

/// Checks one scan.
pub(super) fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.correlations.len());
    let mut ids = HashSet::new();
    let own: HashMap<&str, &EnrichedFinding> =
        view.findings.iter().map(|finding| (finding.document_id.as_str(), finding)).collect();
    for correlation in view.correlations {
        let place = format!("{} {}", view.place, correlation.id);
        if !ids.insert(correlation.id.as_str()) {
            outcome.tell(&place, "/id", "this id is taken");
        }
        let Some(rule) = BY_ID.get(correlation.rule.as_str()) else {
            outcome.tell(&place, "/rule", format!("there is no rule `{}`", correlation.rule));
            continue;
        };
        for pointer in departures(correlation, rule, &own) {
            outcome.tell(&place, pointer, format!("not as rule `{}` has it", rule.id));
        }
        joins(correlation, rule, &place, &mut outcome);
    }
    outcome
}

fn departures(
    correlation: &Correlation,
    rule: &Rule,
    findings: &HashMap<&str, &EnrichedFinding>,
) -> impl Iterator<Item = &'static str> {
    let same = [
        ("/title", correlation.title == rule.title),
        ("/risk_score_delta", correlation.risk_score_delta == rule.points),
        ("/severity", correlation.severity == rule.severity),
        ("/tags", correlation.tags == rule.tags),
        ("/exposure_tags", correlation.exposure_tags == rule.exposure_tags),
        ("/techniques", bears(correlation, rule, findings)),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(pointer, _)| pointer)
}

/// A rule names the techniques that its findings may show; one that names none passes on those that they bear.
fn bears(correlation: &Correlation, rule: &Rule, findings: &HashMap<&str, &EnrichedFinding>) -> bool {
    let of_finding = |technique: &String| {
        let mut named = correlation.related_finding_ids.iter().filter_map(|id| findings.get(id.as_str()));
        named.any(|finding| finding.techniques.contains(technique))
    };
    let known = |technique: &String| match rule.techniques.is_empty() {
        true => of_finding(technique),
        false => rule.techniques.contains(technique),
    };
    correlation.techniques.iter().all(known)
}

fn joins(correlation: &Correlation, rule: &Rule, place: &str, outcome: &mut Outcome) {
    let named = correlation.related_finding_ids.len();
    // What is joined with an earlier scan, or held against clean hosts, may be one finding.
    let with_others = matches!(rule.join, Join::Earlier { .. } | Join::Rare(_));
    if named < 2 && correlation.hosts.len() < 2 && !with_others {
        outcome.tell(place, "/related_finding_ids", "joins fewer than two findings and fewer than two hosts");
    }
    let distinct: HashSet<&String> = correlation.related_finding_ids.iter().collect();
    if distinct.len() < named {
        outcome.tell(place, "/related_finding_ids", "names a finding twice");
    }
    if (correlation.member_count as usize) < named {
        outcome.tell(place, "/member_count", format!("{}, but {named} are named", correlation.member_count));
    }
    if correlation.rationale.is_empty() {
        outcome.tell(place, "/rationale", "empty");
    }
    if !correlation.hosts.is_empty() && !correlation.hosts.contains(&correlation.host) {
        outcome.tell(place, "/hosts", format!("`{}` is not among them", correlation.host));
    }
}
