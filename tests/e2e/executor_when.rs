//! `when:` as a run carries it out.

use serde_json::Value;

use crate::project::{Project, expected, outcomes};

/// `model` reports a loss; `good` and the stages behind it are wanted only when that is low.
const WHEN: &str = r#"pipeline: w
params: {loss: 1.5}
stages:
  model:
    uses: command
    run: "echo '{\"metric\": {\"name\": \"loss\", \"value\": ${params.loss}}}' > /dev/fd/$PIPE_EVENTS_FD; echo ${params.loss} > ${out.x}"
    out: {x: out/x}
  good: {uses: command, run: "echo good > ${out.y}", out: {y: out/y}, when: "${stages.model.metrics.loss < 2.0}"}
  behind: {uses: command, run: "cat ${in.y} > ${out.z}", in: {y: good}, out: {z: out/z}}
  beside: {uses: command, run: "cat ${in.x} > ${out.b}", in: {x: model}, out: {b: out/b}}
"#;

#[test]
fn a_stage_whose_condition_is_false_is_skipped_with_all_that_needs_it() {
    let project = Project::with_pipeline(WHEN);
    let planned: Value = serde_json::from_str(&project.pipe(&["plan", "p.yaml", "--json"]).stdout).unwrap();
    assert_eq!(planned["stages"]["good"]["unknown_until"], "model");
    let wanted = [("model", "ran"), ("good", "ran"), ("behind", "ran"), ("beside", "ran")];
    assert_eq!(project.outcomes(&[]), expected(&wanted));

    let report = project.run_json(&["-S", "loss=2.5"], 0);
    let skipped = [("model", "ran"), ("good", "skipped"), ("behind", "skipped"), ("beside", "ran")];
    assert_eq!(outcomes(&report), expected(&skipped));
    assert_eq!(report["outcome"], "succeeded");
    let cause = report["stages"]["good"]["cause"].as_str().unwrap();
    assert_eq!(cause, "`when: stages.model.metrics.loss < 2.0` is false");
    assert_eq!(report["stages"]["behind"]["cause"], "needs `good`, which was skipped");

    // The metric of a hit comes from its record.
    let again = [("model", "hit"), ("good", "skipped"), ("behind", "skipped"), ("beside", "hit")];
    assert_eq!(project.outcomes(&["-S", "loss=2.5"]), expected(&again));
    let back = [("model", "restored"), ("good", "hit"), ("behind", "hit"), ("beside", "restored")];
    assert_eq!(project.outcomes(&[]), expected(&back));
    let planned: Value =
        serde_json::from_str(&project.pipe(&["plan", "p.yaml", "--json", "-S", "loss=2.5"]).stdout).unwrap();
    assert_eq!(planned["stages"]["good"]["forecast"], "skipped");
}

#[test]
fn a_condition_on_a_metric_that_never_comes_is_a_failure_that_says_so() {
    let project = Project::with_pipeline(&WHEN.replace("metrics.loss", "metrics.lost"));
    let report = project.run_json(&[], 1);
    let as_expected = [("model", "ran"), ("good", "failed"), ("behind", "blocked"), ("beside", "ran")];
    assert_eq!(outcomes(&report), expected(&as_expected));
    let message = report["stages"]["good"]["failure"]["message"].as_str().unwrap();
    assert_eq!(message, "`when: stages.model.metrics.lost < 2.0` reads metric `lost` of `model`, which gave `loss`");
}

#[test]
fn a_condition_that_divides_by_zero_fails_its_stage_and_no_other() {
    let yaml = WHEN.replace("loss < 2.0", "loss / params.zero < 2.0").replace("params: {", "params: {zero: 1, ");
    let project = Project::with_pipeline(&yaml.replace("/ params.zero", "/ (stages.model.metrics.loss - params.zero)"));
    let report = project.run_json(&["-S", "zero=1.5"], 1);
    let ended = [("model", "ran"), ("good", "failed"), ("behind", "blocked"), ("beside", "ran")];
    assert_eq!(outcomes(&report), expected(&ended));
    let message = report["stages"]["good"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("divides by zero") && message.contains("stages.model.metrics.loss /"), "{message}");

    let constant = Project::with_pipeline(&yaml);
    let ran = constant.pipe(&["check", "p.yaml", "-S", "zero=0"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("the condition divides by zero") && ran.stderr.contains("^^^"), "{}", ran.stderr);
    assert_eq!(constant.pipe(&["check", "p.yaml"]).status, 0);
}
