//! Each kind of damage trips one check, and no other.

mod after;
mod before;
mod measured;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use contract::Type;
use verify::{CheckName, OverallStatus, Status, Thresholds, Violation};

use crate::workplace::{AFTER, BEFORE, Workplace, text};

/// Good input, and what breaks it.
pub(crate) struct Table {
    inputs: &'static [(&'static str, Type)],
    good: fn() -> Workplace,
    damages: &'static [Damage],
}

/// The broken thing, the damage, and the violation that is told first.
pub(crate) struct Damage {
    check: &'static str,
    what: &'static str,
    break_it: fn(&mut Workplace),
    /// Place and pointer of the first violation.
    at: (&'static str, &'static str),
}

const TABLES: [&Table; 9] = [
    &before::TABLE,
    &after::TABLE,
    &after::WITH_TRUTH,
    &after::SUMMARIES,
    &measured::MARGINALS,
    &measured::LEAKAGE,
    &measured::REALISM,
    &measured::NEAR_DUPLICATES,
    &measured::QUALITY,
];

impl Table {
    /// Undamaged data passes, and each kind of damage trips its check and no other.
    fn check(&self) {
        let good = (self.good)();
        let (result, report) = good.verify(self.inputs);
        result.unwrap();
        assert!(report.checks.iter().all(|check| check.violations.is_empty()), "{}", verify::summary::text(&report));
        for damage in self.damages {
            damage.trips(self);
        }
    }
}

impl Damage {
    fn trips(&self, table: &Table) {
        let mut workplace = (table.good)();
        (self.break_it)(&mut workplace);
        let told = catch_unwind(AssertUnwindSafe(|| workplace.expect_only(table.inputs, self.check)));
        let report = told.unwrap_or_else(|_| panic!("{}: {}", self.check, self.what));
        let check = report.checks.iter().find(|check| check.name.name() == self.check).unwrap();
        let Violation { place, pointer, .. } = &check.violations[0];
        assert!(place.starts_with(self.at.0), "{}: {place}", self.what);
        assert_eq!(pointer, self.at.1, "{}", self.what);
        // The text names it too, with its place.
        let summary = text(&workplace.path("summary"));
        assert!(summary.starts_with("verification: failed, quality "), "{summary}");
        let head = summary.lines().position(|line| line.starts_with(self.check) && line.contains(" failed "));
        assert!(summary.lines().skip(head.unwrap()).any(|line| line.trim_start().starts_with(place)), "{summary}");
    }
}

#[test]
fn every_check_has_an_input_that_trips_only_it() {
    let tripped: BTreeSet<&str> =
        TABLES.iter().flat_map(|table| table.damages.iter().map(|damage| damage.check)).collect();
    assert_eq!(tripped, CheckName::ALL.iter().map(|check| check.name()).collect());
}

#[test]
fn damage_before_transform_trips_one_check() {
    before::TABLE.check();
}

#[test]
fn damage_after_transform_trips_one_check() {
    after::TABLE.check();
}

#[test]
fn an_attack_chain_over_two_splits_trips_only_split_leakage() {
    after::WITH_TRUTH.check();
}

#[test]
fn summaries_that_call_attacked_scans_harmless_trip_only_summaries() {
    after::SUMMARIES.check();
}

#[test]
fn severities_outside_their_bands_trip_only_marginals() {
    measured::MARGINALS.check();
}

#[test]
fn chains_at_the_end_of_every_list_trip_only_leakage() {
    measured::LEAKAGE.check();
}

#[test]
fn findings_unlike_those_of_real_hosts_trip_only_realism() {
    measured::REALISM.check();
}

#[test]
fn prompts_that_nearly_are_those_of_training_trip_only_near_duplicates() {
    measured::NEAR_DUPLICATES.check();
}

#[test]
fn what_costs_quality_and_fails_nothing_trips_only_quality() {
    measured::QUALITY.check();
}

#[test]
fn impossible_values_are_told_where_nothing_says_that_hosts_are_simulated() {
    let cases = [
        ("processes", "uid", "root", "/metadata/uid"),
        ("processes", "uid", "-1", "/metadata/uid"),
        ("processes", "gid", "4294967296", "/metadata/gid"),
        ("ioc", "pid", "78", "/id"),
    ];
    for (scanner, key, value, pointer) in cases {
        let workplace = Workplace::new();
        workplace.edit_report("beta/0001.json", |report| {
            let result = report.results.iter_mut().find(|result| result.scanner == scanner).unwrap();
            result.findings[0].metadata.insert(key.to_owned(), value.to_owned());
        });
        let report = workplace.expect_only(&BEFORE[..3], "formats");
        let formats = report.check(verify::CheckName::Formats).unwrap();
        assert_eq!(formats.violations[0].pointer, pointer);
    }
}

/// Nothing fails by default of what one real host at most can say.
#[test]
fn findings_unlike_those_of_real_hosts_warn_by_default() {
    let Table { inputs, good, damages: [damage] } = &measured::REALISM else { panic!("one kind of damage") };
    let mut workplace = good();
    workplace.params.thresholds = Thresholds::default();
    (damage.break_it)(&mut workplace);
    let (result, report) = workplace.verify(inputs);
    result.unwrap();
    assert_eq!(report.overall_status, OverallStatus::Warning);
    let realism = report.check(CheckName::Realism).unwrap();
    assert_eq!((realism.status, realism.tolerated_count, realism.warn_beyond), (Status::Warning, 1, Some(0.8)));
    assert_eq!(realism.violations[0].place, damage.at.0);
    assert!(text(&workplace.path("summary")).contains("(at most 1, warns beyond 0.8)"));
    workplace.params.warn_beyond.realism = 1.0;
    let (_, report) = workplace.verify(inputs);
    assert_eq!(report.overall_status, OverallStatus::Passed);
}

/// The scanner lists every unit twice where `/lib` is a link to `/usr/lib`.
#[test]
fn what_a_real_report_holds_twice_is_told_and_tolerated() {
    let workplace = Workplace::new();
    workplace.edit_report("beta/0001.json", |report| {
        let again = report.results[3].findings[0].clone();
        report.results[3].findings.push(again);
    });
    workplace.transform();
    for (inputs, place, pointer) in [
        (&BEFORE[..3], "beta/0001 suid_sgid /usr/bin/passwd#2", "/id"),
        (&AFTER, "documents/beta/0001", "/enriched_findings/6"),
    ] {
        let (result, report) = workplace.verify(inputs);
        result.unwrap();
        assert_eq!(report.overall_status, OverallStatus::Warning);
        let check = report.check(CheckName::Duplicates).unwrap();
        assert_eq!((check.status, check.figure, check.tolerated_count), (Status::Warning, Some(0.0), 1));
        assert_eq!((check.violations[0].place.as_str(), check.violations[0].pointer.as_str()), (place, pointer));
        let summary = text(&workplace.path("summary"));
        assert!(summary.contains("looked at, 1 tolerated\n"), "{summary}");
    }
}

#[test]
fn a_scan_whose_findings_are_all_missing_is_noticed() {
    let workplace = Workplace::new();
    for artifact in ["findings", "correlations"] {
        let kept = text(&workplace.path(artifact));
        let kept = kept.lines().filter(|line| !line.contains("\"host\":\"beta\"")).map(|line| format!("{line}\n"));
        std::fs::write(workplace.path(artifact), kept.collect::<String>()).unwrap();
    }
    let report = workplace.expect_only(&BEFORE[..3], "coverage");
    assert_eq!(report.check(verify::CheckName::Coverage).unwrap().violation_count, 10);
}
