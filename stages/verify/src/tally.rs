//! What the checks found over all scans: figures, the first violations, and the status that follows.

use std::collections::BTreeMap;

use crate::check::{CheckName, Outcome};
use crate::report::{CheckReport, Status, Violation};
use crate::stage::Thresholds;

/// Violations that a report lists per check; all are counted.
pub const LISTED_VIOLATIONS: usize = 50;

/// Running totals by check.
#[derive(Default)]
pub struct Tally {
    checks: BTreeMap<CheckName, Entry>,
}

#[derive(Default)]
struct Entry {
    items: u64,
    total: u64,
    crashed: bool,
    listed: Vec<Violation>,
}

impl Tally {
    /// Adds what a check found on one scan.
    pub fn add(&mut self, check: CheckName, outcome: Outcome) {
        let entry = self.checks.entry(check).or_default();
        entry.items += outcome.items;
        entry.total += outcome.violations.len() as u64;
        entry.crashed |= outcome.crashed;
        let room = LISTED_VIOLATIONS - entry.listed.len();
        entry.listed.extend(outcome.violations.into_iter().take(room));
    }

    /// The result of every check, in the order of [`CheckName::ALL`].
    pub fn finish(mut self, thresholds: &Thresholds) -> Vec<CheckReport> {
        let report = |name: CheckName| {
            let entry = self.checks.remove(&name).unwrap_or_default();
            let threshold = thresholds.of(name);
            let figure = entry.total as f64 / entry.items.max(1) as f64;
            let status = match entry.total {
                0 => Status::Passed,
                _ if entry.crashed || figure > threshold => Status::Failed,
                _ => Status::Warning,
            };
            CheckReport {
                name,
                status,
                items: entry.items,
                figure,
                threshold,
                violation_count: entry.total,
                violations: entry.listed,
            }
        };
        CheckName::ALL.into_iter().map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, ScanView};

    fn view(findings: &[correlate::EnrichedFinding]) -> Outcome {
        let error = scan::ReadError {
            path: "x".into(),
            kind: scan::read::ReadErrorKind::Invalid { pointer: String::new(), reason: "r".into() },
        };
        let view = ScanView { place: "h/0000", report: Err(&error), findings, correlations: &[] };
        check::run(|view| panic!("cannot look at {}", view.place), &view)
    }

    fn status(outcome: Outcome, threshold: f64) -> Status {
        let mut tally = Tally::default();
        tally.add(CheckName::Formats, outcome);
        let thresholds = Thresholds { formats: threshold, ..Thresholds::default() };
        tally.finish(&thresholds).into_iter().find(|check| check.name == CheckName::Formats).unwrap().status
    }

    fn outcome(items: u64, violations: usize) -> Outcome {
        let violation = Violation { place: "p".into(), pointer: String::new(), message: "m".into() };
        Outcome { items, violations: vec![violation; violations], crashed: false }
    }

    #[test]
    fn a_check_that_crashes_has_failed_whatever_the_threshold() {
        let crash = view(&[]);
        assert!(crash.violations[0].message.contains("cannot look at h/0000"));
        assert_eq!(status(crash, 1.0), Status::Failed);
    }

    #[test]
    fn thresholds_part_warnings_from_failures() {
        assert_eq!(status(outcome(100, 0), 0.0), Status::Passed);
        assert_eq!(status(outcome(100, 2), 0.02), Status::Warning);
        assert_eq!(status(outcome(100, 3), 0.02), Status::Failed);
    }

    #[test]
    fn the_list_is_capped_and_the_count_is_not() {
        let mut tally = Tally::default();
        tally.add(CheckName::Scores, outcome(100, 80));
        tally.add(CheckName::Scores, outcome(100, 80));
        let checks = tally.finish(&Thresholds::default());
        let scores = checks.iter().find(|check| check.name == CheckName::Scores).unwrap();
        assert_eq!((scores.violation_count, scores.violations.len()), (160, LISTED_VIOLATIONS));
    }
}
