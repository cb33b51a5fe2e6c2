//! The effects of a failure, and the violations that thresholds tolerate.

use correlate::CorrelateParams;
use dataset::TIED_HOSTS;
use transform::TransformParams;
use verify::{CheckName, OnFailed, OverallStatus, Status, VerifyParams};

use crate::workplace::{AFTER, BEFORE, Workplace, text};

fn damaged() -> Workplace {
    let workplace = Workplace::new();
    let one = |value: &serde_json::Value| value["host"] == "beta" && value["scanner"] == "mac";
    workplace.edit_lines("findings", one, |value| value["risk_total"] = 99.into());
    workplace
}

#[test]
fn a_failure_stops_unless_told_to_report() {
    let mut workplace = damaged();
    let (stopped, _) = workplace.verify(&BEFORE);
    let error = stopped.unwrap_err();
    assert!(error.message.contains("/risk_total") && error.help.unwrap().contains("on_failed"), "{}", error.message);
    workplace.params.on_failed = OnFailed::Report;
    let (reported, report) = workplace.verify(&BEFORE);
    reported.unwrap();
    assert_eq!(report.overall_status, OverallStatus::Failed);
}

#[test]
fn a_threshold_turns_a_failure_into_a_warning_up_to_it() {
    // Two of thirty-six findings.
    for (threshold, status) in [(0.056, Status::Warning), (0.055, Status::Failed)] {
        let mut workplace = damaged();
        workplace.params.thresholds.scores = threshold;
        workplace.params.min_quality = 0.0;
        let (result, report) = workplace.verify(&BEFORE);
        assert_eq!(report.check(CheckName::Scores).unwrap().status, status);
        assert_eq!(result.is_ok(), status == Status::Warning);
    }
}

#[test]
fn what_is_suspected_is_held_against_the_bound_that_correlate_had() {
    let mut workplace = Workplace::new();
    workplace.params.suspect_at = 1;
    workplace.correlate_with(&CorrelateParams { suspect_at: 1, ..CorrelateParams::default() });
    let (result, _) = workplace.verify(&BEFORE);
    result.unwrap();
    // As one that nothing reaches leaves it.
    workplace.edit_lines(
        "findings",
        |finding| finding["suspected"] == true,
        |finding| finding["suspected"] = false.into(),
    );
    let report = workplace.expect_only(&BEFORE, "scores");
    let message = &report.check(CheckName::Scores).unwrap().violations[0].message;
    assert!(message.contains("`suspect_at` is 1; it must be that of `correlate`"), "{message}");
}

#[test]
fn hosts_are_tied_as_transform_ties_them() {
    assert_eq!(VerifyParams::default().tied_hosts as usize, TIED_HOSTS);
}

#[test]
fn parquet_files_are_held_against_their_digests() {
    let workplace = Workplace::new();
    workplace.transform_with(&TransformParams { parquet: true, ..TransformParams::default() });
    let (result, _) = workplace.verify(&AFTER);
    result.unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text(&workplace.path("dataset/manifest.json"))).unwrap();
    let files = manifest["parquet"].as_object().unwrap().values().flat_map(|of| of.as_object().unwrap().values());
    let file = files.map(|part| part["file"].as_str().unwrap()).next().unwrap();
    let path = workplace.path("dataset").join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report = workplace.expect_only(&AFTER, "integrity");
    assert_eq!(report.check(CheckName::Integrity).unwrap().violations[0].place, file);
}

#[test]
fn quality_below_its_minimum_fails_although_every_check_passes() {
    let mut workplace = Workplace::new();
    let (result, report) = workplace.verify(&AFTER);
    result.unwrap();
    assert!(report.quality < 1.0, "near duplicates cost: {}", report.quality);
    workplace.params.min_quality = 1.0;
    let report = workplace.expect_only(&AFTER, "quality");
    assert_eq!(report.overall_status, OverallStatus::Failed);
}

#[test]
fn a_gate_that_is_given_nothing_to_look_at_fails() {
    let workplace = Workplace::empty();
    std::fs::create_dir(workplace.path("documents")).unwrap();
    for name in ["scans", "findings", "correlations", "truth"] {
        match name {
            "scans" => std::fs::create_dir(workplace.path(name)).unwrap(),
            _ => std::fs::write(workplace.path(name), "").unwrap(),
        }
    }
    for inputs in [&AFTER[..1], &BEFORE] {
        let report = workplace.expect_only(inputs, "quality");
        assert_eq!(report.overall_status, OverallStatus::Failed);
        let check = report.check(CheckName::Scores).unwrap();
        assert_eq!((check.status, check.figure), (Status::NotMeasurable, None));
    }
    assert!(text(&workplace.path("summary")).contains("there is nothing that it can look at"));
}

#[test]
fn near_duplicates_fail_beyond_a_threshold_that_is_chosen() {
    let mut workplace = Workplace::new();
    workplace.params.thresholds.near_duplicates = 0.01;
    let report = workplace.expect_only(&AFTER, "near_duplicates");
    let near = report.check(CheckName::NearDuplicates).unwrap();
    assert!(near.figure.unwrap() > 0.01 && near.measures.iter().any(|measure| measure.part == "finding"));
}
