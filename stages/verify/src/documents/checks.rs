//! The checks that look at one document.

use std::collections::HashSet;

use contract::Digest;
use findings::agent;
use findings::risk::of_shares;
use scan::Severity;

use super::document::Texts;
use super::view::{Digested, Document, Text};
use crate::check::Outcome;
use crate::labels::claims::CLAIMS;
use crate::values;

/// How far a probability of four digits may lie from the one that follows from subscores of four digits.
const PROBABILITY_SLACK: f64 = 2e-4;

/// The same for a risk, which is rounded to a whole number.
const RISK_SLACK: f64 = 0.505;

/// No finding is there twice, except as the scanner itself lists some on real hosts: those that follow each other as `x`, `x#2`,
/// `x#3` are told as tolerated.
pub(super) fn duplicates(place: &str, document: &Document<'_>, raw_ids: &[&str]) -> Outcome {
    let mut outcome = Outcome::of(document.enriched_findings.len());
    let mut ids = HashSet::with_capacity(document.enriched_findings.len());
    let mut seen = HashSet::with_capacity(document.enriched_findings.len());
    for (index, (finding, raw)) in document.enriched_findings.iter().zip(raw_ids).enumerate() {
        let taken = !ids.insert(&*finding.id);
        if !seen.insert((&*finding.scanner, raw, &*finding.title, &finding.metadata)) {
            let (pointer, message) =
                (format!("/enriched_findings/{index}"), format!("`{}` is there twice", &*finding.id));
            match taken {
                true => outcome.tell(place, pointer, message),
                false => outcome.tell_tolerated(place, pointer, message),
            }
        } else if taken {
            outcome.tell(place, format!("/enriched_findings/{index}/id"), format!("`{}` is taken", &*finding.id));
        }
    }
    outcome
}

/// Severity, scores, subscores and probability agree with each other.
pub(super) fn scores(place: &str, document: &Document<'_>) -> Outcome {
    let mut outcome = Outcome::of(document.enriched_findings.len());
    for (index, finding) in document.enriched_findings.iter().enumerate() {
        let mut differs = |key: &str, message: String| {
            outcome.tell(place, format!("/enriched_findings/{index}/{key}"), message);
        };
        let severity = if finding.operational_error { Some(Severity::Error) } else { finding.severity };
        let base = finding.base_severity_score;
        // In profile `agent` the policy raises severities to high, and the base score stays.
        let raised = finding.severity == Some(Severity::High) && agent::denied(finding.metadata.get("exe"));
        if let Some(severity) = severity.filter(|s| base != f64::from(s.score()) && base != 0.0 && !raised) {
            differs("base_severity_score", format!("{base}, but severity {severity} scores {}", severity.score()));
        }
        let parts = &finding.risk_subscores;
        let (risk, probability) = of_shares([parts.impact, parts.exposure, parts.anomaly], parts.confidence);
        if (finding.risk_score - risk).abs() > RISK_SLACK {
            differs("risk_score", format!("{}, but {risk:.1} follows from the subscores", finding.risk_score));
        }
        if (finding.probability_actionable - probability).abs() > PROBABILITY_SLACK {
            let message =
                format!("{}, but {probability:.4} follows from the subscores", finding.probability_actionable);
            differs("probability_actionable", message);
        }
        if let Some(total) = finding.risk_total.filter(|total| !(finding.risk_score..=100.0).contains(total)) {
            differs("risk_total", format!("{total} is not between the risk of {} and 100", finding.risk_score));
        }
    }
    outcome
}

/// Values are possible.
pub(super) fn formats(place: &str, document: &Document<'_>, raw_ids: &[&str]) -> Outcome {
    let mut outcome = Outcome::of(document.enriched_findings.len());
    for (index, (finding, id)) in document.enriched_findings.iter().zip(raw_ids).enumerate() {
        values::problems(
            &finding.scanner,
            id,
            |key| finding.metadata.get(key),
            |pointer, message| {
                outcome.tell(place, format!("/enriched_findings/{index}{pointer}"), message);
            },
        );
    }
    outcome
}

/// The named findings show the techniques of their correlation, and each finding those that it bears.
pub(super) fn techniques(place: &str, document: &Document<'_>, texts: &Texts<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut hold = |techniques: &[Text<'_>], ids: &[Text<'_>], pointer: String| {
        if techniques.is_empty() {
            return;
        }
        let named = texts.named(ids.iter().map(|id| &**id));
        for technique in techniques {
            outcome.items += 1;
            if !CLAIMS.technique(technique, named.iter().map(String::as_str)) {
                outcome.tell(place, &pointer, format!("{}, of which no finding shows anything", &**technique));
            }
        }
    };
    for (index, correlation) in document.correlations.iter().enumerate() {
        hold(&correlation.techniques, &correlation.related_finding_ids, format!("/correlations/{index}/techniques"));
    }
    for (index, finding) in document.enriched_findings.iter().enumerate() {
        hold(&finding.techniques, std::slice::from_ref(&finding.id), format!("/enriched_findings/{index}/techniques"));
    }
    outcome
}

/// Actions fit the findings that they name.
pub(super) fn actions(place: &str, document: &Document<'_>, texts: &Texts<'_>) -> Outcome {
    let mut outcome = Outcome::of(document.actions.len());
    for (index, action) in document.actions.iter().enumerate() {
        let named = texts.named(action.finding_ids.iter().map(|id| &**id));
        if let Some(text) = CLAIMS.contradiction(&action.title, named.iter().map(String::as_str)) {
            let pointer = format!("/actions/{index}/finding_ids");
            outcome.tell(place, pointer, format!("`{}` about `{text}`", &*action.title));
        }
    }
    outcome
}

/// The digests are those of the arrays as they are written.
pub(super) fn integrity(place: &str, document: &Digested<'_>) -> Outcome {
    let integrity = &document.integrity;
    if integrity.algorithm != "blake3" {
        return Outcome::default();
    }
    let mut outcome = Outcome::of(1);
    for (key, part, stated) in [
        ("enriched_findings", document.enriched_findings, &integrity.enriched_findings),
        ("correlations", document.correlations, &integrity.correlations),
    ] {
        let digest = Digest::of(part.map_or("", |part| part.get()).as_bytes()).to_string();
        if digest != *stated {
            outcome.tell(place, format!("/integrity/{key}"), format!("{stated}, but the digest is {digest}"));
        }
    }
    outcome
}
