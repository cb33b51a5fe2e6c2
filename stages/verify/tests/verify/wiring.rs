//! Which inputs go together, and what is said of checks whose inputs are not there.

use verify::{CheckName, OverallStatus, Status};

use crate::workplace::{AFTER, AFTER_WITH_TRUTH, BEFORE, Workplace, text};

#[test]
fn good_input_passes_and_says_what_was_looked_at() {
    let workplace = Workplace::new();
    let (result, report) = workplace.verify(&[&BEFORE[..], &AFTER].concat());
    result.unwrap();
    assert_eq!(report.overall_status, OverallStatus::Passed);
    assert_eq!((report.scans, report.findings, report.documents), (8, 36, 8));
    let of = |status| report.checks.iter().filter(|c| c.status == status).map(|c| c.name.name()).collect::<Vec<_>>();
    assert_eq!(of(Status::NotApplicable), ["realism"]);
    assert_eq!(of(Status::NotMeasurable), ["marginals", "leakage", "technique_share", "summaries"]);
    assert!(report.check(CheckName::Leakage).unwrap().reason.contains("2000 are needed"));
    let summary = text(&workplace.path("summary"));
    assert!(summary.starts_with("verification: passed, quality "), "{summary}");
    assert!(summary.contains("8 scans, 36 findings, "), "{summary}");
}

#[test]
fn each_gate_alone_says_what_it_could_not_look_at() {
    let workplace = Workplace::new();
    for (inputs, unlooked) in [
        (&BEFORE[..], CheckName::SplitLeakage),
        (&AFTER, CheckName::Coverage),
        (&AFTER_WITH_TRUTH, CheckName::Truth),
        (&AFTER_WITH_TRUTH[1..], CheckName::References),
    ] {
        let (result, report) = workplace.verify(inputs);
        result.unwrap();
        let check = report.check(unlooked).unwrap();
        assert_eq!((check.status, check.figure, check.items), (Status::NotApplicable, None, 0));
        assert!(text(&workplace.path("summary")).contains(&check.reason));
    }
}

#[test]
fn inputs_that_make_no_check_possible_are_refused() {
    let workplace = Workplace::new();
    let cases: [(&[(&str, contract::Type)], &str); 6] = [
        (&[], "nothing to verify is wired"),
        (&BEFORE[..2], "`scans`, `findings` wired without `correlations`"),
        (&BEFORE[3..], "`truth` wired without `scans`, `findings`, `correlations`"),
        (&[BEFORE[0], AFTER[0]], "`scans` wired without `findings`, `correlations`"),
        (&[BEFORE[3], AFTER[0]], "`truth` wired without `scans`, `findings`, `correlations`"),
        (&[BEFORE[0], BEFORE[3], AFTER[1]], "`scans` wired without `findings`, `correlations`"),
    ];
    for (inputs, message) in cases {
        let error = workplace.try_verify(inputs, 2).unwrap_err();
        assert_eq!(error.message, message);
        assert!(error.help.is_some());
    }
}

#[test]
fn a_broken_line_is_an_error_with_its_place_and_no_report_that_passes() {
    let workplace = Workplace::new();
    let path = workplace.path("dataset/train.jsonl");
    std::fs::write(&path, text(&path) + "{\n").unwrap();
    let error = workplace.try_verify(&AFTER, 2).unwrap_err();
    assert!(error.message.contains("train.jsonl:") && error.message.contains("EOF"), "{}", error.message);
    assert!(!workplace.path("verification").exists());
}

#[test]
fn a_broken_line_of_truth_beside_a_training_set_is_an_error_with_its_place() {
    let workplace = Workplace::new();
    std::fs::write(workplace.path("truth"), "{\"host\":\"alpha\",\"chain_id\":null}\n{\"host\":1}\n").unwrap();
    let error = workplace.try_verify(&AFTER_WITH_TRUTH, 2).unwrap_err();
    assert!(error.message.contains("truth:2: "), "{}", error.message);
    assert!(error.help.is_some());
}
