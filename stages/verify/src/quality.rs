//! One number for everything: the mean score of the checks that could look.
//!
//! A check that failed scores 0. One that counts scores `1 - min(1, 20 * figure)`: nothing is left where one thing in twenty
//! is wrong. One that measures an area under a curve scores 1 up to chance (0.5) and falls to 0 at 1. Near duplicates score
//! `1 - figure / 2`: they cost, and a set may still be good.
//! Summaries score `1 - figure`; the share of a technique scores 1 where it is below its threshold. Checks that were not applicable or not measurable do not count; where
//! no check counts, the quality has failed.

use crate::check::CheckName;
use crate::report::{Bound, CheckReport, Measure, Status, Violation};

/// How fast violations cost.
const VIOLATION_COST: f64 = 20.0;

/// The check `quality`, from all others.
pub fn check(others: &[CheckReport], minimum: f64) -> CheckReport {
    let scores: Vec<(&CheckReport, f64)> = others.iter().filter_map(|check| Some((check, score(check)?))).collect();
    let mut report = CheckReport {
        name: CheckName::Quality,
        status: Status::NotApplicable,
        reason: String::new(),
        items: scores.len() as u64,
        figure: None,
        bound: Bound::AtLeast,
        threshold: minimum,
        warn_beyond: None,
        measures: Vec::new(),
        violation_count: 0,
        tolerated_count: 0,
        violations: Vec::new(),
    };
    if scores.is_empty() {
        report.reason = CheckName::Quality.needs().to_owned();
        // A gate that saw nothing of what it was given must not open.
        if others.iter().any(|check| check.status != Status::NotApplicable) {
            report.status = Status::Failed;
        }
        return report;
    }
    // Four digits: a threshold is not missed by the last bit of a mean.
    let mean = scores.iter().map(|(_, score)| score).sum::<f64>() / scores.len() as f64;
    let quality = (mean * 10_000.0).round_ties_even() / 10_000.0;
    report.figure = Some(quality);
    let cost = scores.iter().filter(|(_, score)| *score < 1.0);
    let measure = |(check, score): &(&CheckReport, f64)| Measure {
        part: check.name.name().to_owned(),
        items: check.items,
        value: Some(*score),
        low: None,
        high: None,
        note: "its score".to_owned(),
    };
    report.measures = cost.clone().map(measure).collect();
    report.status = if quality < minimum { Status::Failed } else { Status::Passed };
    if report.status == Status::Failed {
        report.violations = cost
            .map(|(check, score)| Violation {
                place: check.name.name().to_owned(),
                pointer: String::new(),
                message: format!("scores {score:.3}"),
            })
            .collect();
        report.violation_count = report.violations.len() as u64;
    }
    report
}

fn score(check: &CheckReport) -> Option<f64> {
    if check.status == Status::Failed {
        return Some(0.0);
    }
    let figure = check.figure?;
    Some(match check.name {
        CheckName::Leakage | CheckName::Realism => (1.0 - (figure - 0.5).max(0.0) / 0.5).max(0.0),
        CheckName::NearDuplicates => 1.0 - figure / 2.0,
        CheckName::TechniqueShare => 1.0,
        CheckName::Summaries => 1.0 - figure,
        _ => 1.0 - (VIOLATION_COST * figure).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: CheckName, status: Status, figure: Option<f64>) -> CheckReport {
        CheckReport { name, status, figure, ..check(&[], 0.0) }
    }

    #[test]
    fn the_formula_by_hand() {
        let checks = [
            of(CheckName::Schema, Status::Passed, Some(0.0)),
            of(CheckName::Formats, Status::Warning, Some(0.01)),
            of(CheckName::Leakage, Status::Passed, Some(0.55)),
            of(CheckName::NearDuplicates, Status::Passed, Some(0.5)),
            of(CheckName::Scores, Status::Failed, Some(0.001)),
            of(CheckName::Realism, Status::NotMeasurable, None),
        ];
        // 1, 0.8, 0.9, 0.75, 0
        let quality = check(&checks, 0.69);
        assert_eq!((quality.figure, quality.status, quality.items), (Some(0.69), Status::Passed, 5));
        let failed = check(&checks, 0.7);
        assert_eq!(failed.status, Status::Failed);
        let told: Vec<String> = failed.violations.iter().map(|v| format!("{} {}", v.place, v.message)).collect();
        let cost =
            ["formats scores 0.800", "leakage scores 0.900", "near_duplicates scores 0.750", "scores scores 0.000"];
        assert_eq!(told, cost);
    }
}
