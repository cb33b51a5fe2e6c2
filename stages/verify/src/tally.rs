//! The results of all checks together: figures, the first violations, and the status that follows.

use std::collections::BTreeMap;

use crate::check::{CheckName, Outcome};
use crate::params::VerifyParams;
use crate::quality;
use crate::report::{Bound, CheckReport, Measure, Status, Violation};

/// Violations that a report lists per check; all are counted.
pub const LISTED_VIOLATIONS: usize = 1000;

/// Running totals by check.
#[derive(Default)]
pub struct Tally {
    checks: BTreeMap<CheckName, Entry>,
}

#[derive(Default)]
struct Entry {
    items: u64,
    total: u64,
    tolerated: u64,
    crashed: bool,
    listed: Vec<Violation>,
    measured: Option<Measured>,
}

/// The result of a check that measures rather than counts.
#[derive(Debug, Default)]
pub struct Measured {
    /// The figure that is held against the threshold; none where there was too little, and then `reason` says of what.
    pub figure: Option<f64>,
    /// Why there is no figure, or what it is of.
    pub reason: String,
    /// Figures of parts.
    pub measures: Vec<Measure>,
}

impl Tally {
    /// Notes that what checks look at is wired, whatever lies there.
    pub fn wired(&mut self, checks: impl IntoIterator<Item = CheckName>) {
        checks.into_iter().for_each(|check| self.add(check, Outcome::default()));
    }

    /// Adds what a check found in one place. A check of which nothing is ever added is not applicable.
    pub fn add(&mut self, check: CheckName, outcome: Outcome) {
        let entry = self.checks.entry(check).or_default();
        entry.items += outcome.items;
        entry.total += outcome.violations.len() as u64 + outcome.unlisted;
        entry.tolerated += outcome.tolerated;
        entry.crashed |= outcome.crashed;
        let room = LISTED_VIOLATIONS - entry.listed.len();
        entry.listed.extend(outcome.violations.into_iter().take(room));
    }

    /// Sets the figure of a check that measures.
    pub fn measured(&mut self, check: CheckName, outcome: Outcome, measured: Measured) {
        self.add(check, outcome);
        self.checks.entry(check).or_default().measured = Some(measured);
    }

    /// The result of every check, in the order of [`CheckName::ALL`].
    pub fn finish(mut self, params: &VerifyParams) -> Vec<CheckReport> {
        let others = CheckName::ALL.into_iter().filter(|name| *name != CheckName::Quality);
        let mut reports: Vec<_> = others.map(|name| report(name, params, self.checks.remove(&name))).collect();
        reports.push(quality::check(&reports, params.threshold(CheckName::Quality)));
        reports
    }
}

fn report(name: CheckName, params: &VerifyParams, entry: Option<Entry>) -> CheckReport {
    let threshold = params.threshold(name);
    let mut report = CheckReport {
        name,
        status: Status::NotApplicable,
        reason: String::new(),
        items: 0,
        figure: None,
        bound: Bound::AtMost,
        threshold,
        warn_beyond: params.warn_beyond(name),
        measures: Vec::new(),
        violation_count: 0,
        tolerated_count: 0,
        violations: Vec::new(),
    };
    let Some(entry) = entry else {
        return CheckReport { reason: name.needs().to_owned(), ..report };
    };
    report.items = entry.items;
    report.violation_count = entry.total;
    report.tolerated_count = entry.tolerated;
    report.violations = entry.listed;
    let Some(measured) = entry.measured else {
        if (entry.items, entry.total) == (0, 0) {
            report.status = Status::NotMeasurable;
            report.reason = "there is nothing that it can look at".to_owned();
            return report;
        }
        let figure = (entry.total - entry.tolerated) as f64 / entry.items.max(1) as f64;
        report.figure = Some(figure);
        report.status = match entry.total {
            0 => Status::Passed,
            _ if entry.crashed || figure > threshold => Status::Failed,
            _ => Status::Warning,
        };
        return report;
    };
    report.figure = measured.figure;
    report.reason = measured.reason;
    report.measures = measured.measures;
    report.status = match measured.figure {
        _ if entry.crashed => Status::Failed,
        None => Status::NotMeasurable,
        Some(figure) if figure > threshold => Status::Failed,
        Some(_) if entry.total > 0 => Status::Warning,
        Some(_) => Status::Passed,
    };
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{guard, guard_part};

    fn status(outcome: Outcome, threshold: f64) -> Status {
        let mut tally = Tally::default();
        tally.add(CheckName::Formats, outcome);
        let mut params = VerifyParams::default();
        params.thresholds.formats = threshold;
        tally.finish(&params).into_iter().find(|check| check.name == CheckName::Formats).unwrap().status
    }

    fn outcome(items: usize, violations: usize) -> Outcome {
        let mut outcome = Outcome::of(items);
        (0..violations).for_each(|_| outcome.tell("p", "", "m"));
        outcome
    }

    #[test]
    fn a_check_that_crashes_has_failed_whatever_the_threshold() {
        let place = "h/0000";
        let crash = guard(place, || -> Outcome { panic!("cannot look at {place}") }).unwrap_err();
        assert!(crash.violations[0].message.contains("cannot look at h/0000"));
        assert_eq!(status(crash, 1.0), Status::Failed);
    }

    #[test]
    fn what_is_measured_of_a_scan_on_which_that_crashed_has_failed() {
        let mut crashed = Vec::new();
        let rows: Vec<u8> = guard_part(&mut crashed, CheckName::Marginals, "h/0000", || panic!("no rows"));
        assert!(rows.is_empty());
        let mut tally = Tally::default();
        crashed.into_iter().for_each(|(name, outcome)| tally.add(name, outcome));
        tally.measured(CheckName::Marginals, Outcome::of(5), Measured { figure: Some(0.0), ..Measured::default() });
        let checks = tally.finish(&VerifyParams::default());
        let marginals = checks.iter().find(|check| check.name == CheckName::Marginals).unwrap();
        assert_eq!((marginals.status, marginals.violations[0].place.as_str()), (Status::Failed, "h/0000"));
    }

    #[test]
    fn a_measurement_that_crashes_has_failed_and_is_not_merely_unmeasured() {
        let crash = guard("all", || -> Outcome { panic!("no memory") }).unwrap_err();
        let mut tally = Tally::default();
        tally.measured(CheckName::Leakage, crash, Measured::default());
        let checks = tally.finish(&VerifyParams::default());
        assert!(checks.iter().any(|check| check.name == CheckName::Leakage && check.status == Status::Failed));
    }

    #[test]
    fn what_has_nothing_to_look_at_is_not_measurable_unless_something_is_missing() {
        assert_eq!(status(outcome(0, 0), 0.0), Status::NotMeasurable);
        assert_eq!(status(outcome(0, 1), 0.0), Status::Failed);
    }

    #[test]
    fn thresholds_part_warnings_from_failures() {
        assert_eq!(status(outcome(100, 0), 0.0), Status::Passed);
        assert_eq!(status(outcome(100, 2), 0.02), Status::Warning);
        assert_eq!(status(outcome(100, 3), 0.02), Status::Failed);
    }

    #[test]
    fn what_is_tolerated_warns_whatever_the_threshold_and_hides_nothing_else() {
        let tolerated = |others: usize| {
            let mut outcome = outcome(100, others);
            outcome.tell_tolerated("p", "", "m");
            status(outcome, 0.0)
        };
        assert_eq!((tolerated(0), tolerated(1)), (Status::Warning, Status::Failed));
    }

    #[test]
    fn the_list_is_capped_and_the_count_is_not() {
        let count = |places: &[usize]| {
            let mut tally = Tally::default();
            places.iter().for_each(|violations| tally.add(CheckName::Scores, outcome(9000, *violations)));
            let checks = tally.finish(&VerifyParams::default());
            let scores = checks.iter().find(|check| check.name == CheckName::Scores).unwrap();
            (scores.violation_count, scores.violations.len())
        };
        assert_eq!(count(&[800, 800]), (1600, LISTED_VIOLATIONS));
        assert_eq!(count(&[2300, 40]), (2340, LISTED_VIOLATIONS));
    }

    #[test]
    fn what_was_never_looked_at_is_not_applicable_and_says_what_it_needs() {
        let checks = Tally::default().finish(&VerifyParams::default());
        for check in checks {
            assert_eq!((check.status, check.figure), (Status::NotApplicable, None), "{}", check.name.name());
            assert!(check.reason.starts_with("needs "), "{}", check.reason);
        }
    }
}
