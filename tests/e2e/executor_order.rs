//! The order of stages, the estimates of `plan`, and pipelines of a thousand stages.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use pipe::store::{Durability, Store};
use serde_json::Value;

use crate::project::{Project, expected, outcomes, worker};

/// Makes the store believe that the stage of this report took so many seconds.
fn took(store: &Path, stage: &Value, seconds: f64) {
    let store = Store::open(store).unwrap();
    let key = serde_json::from_value(stage["key"].clone()).unwrap();
    let mut record = store.past_record(&key).unwrap();
    record.usage.seconds = seconds;
    store.put_record(&record, Durability::Relaxed).unwrap();
}

/// The stages that were started, in order, of the newest run.
fn started(project: &Project) -> Vec<String> {
    let runs = std::fs::read_dir(project.path("cache/runs")).unwrap().flatten().map(|run| run.path());
    let journal = std::fs::read_to_string(runs.max().unwrap().join("events.ndjson")).unwrap();
    let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some(line["event"]["stage_started"]["stage"].as_str()?.to_owned())).collect()
}

const THREE: &str = r#"pipeline: o
params: {word: one}
stages:
  short: {uses: command, run: "echo ${params.word} > ${out.x}", out: {x: out/short}}
  head: {uses: command, run: "echo ${params.word} > ${out.x}", out: {x: out/head}}
  tail: {uses: command, run: "cat ${in.x} > ${out.x}", in: {x: head}, out: {x: out/tail}}
"#;

#[test]
fn the_chain_that_took_longest_goes_first() {
    let project = Project::with_pipeline(THREE);
    let first = project.run_json(&["--jobs", "1"], 0);
    assert_eq!(started(&project), ["head", "short", "tail"], "without history more stages are more time");
    took(&project.path("cache"), &first["stages"]["short"], 100.0);
    project.run_json(&["--jobs", "1", "-S", "word=two"], 0);
    assert_eq!(started(&project), ["short", "head", "tail"]);
}

#[test]
fn plan_predicts_cutoffs_and_adds_up_the_longest_chain() {
    let project = Project::with_pipeline(
        r#"pipeline: o
params: {word: one}
stages:
  whole: {uses: command, run: "echo ${params.word} > /dev/null; echo same > ${out.x}", out: {x: out/whole}}
  part: {uses: command, run: "cat ${in.x} > ${out.x}", in: {x: whole}, out: {x: out/part}}
  changed: {uses: command, run: "cat ${in.x} > ${out.x}; echo ${params.word}", in: {x: whole}, out: {x: out/changed}}
"#,
    );
    let report = project.run_json(&[], 0);
    for (stage, seconds) in [("whole", 10.0), ("part", 20.0), ("changed", 4.0)] {
        took(&project.path("cache"), &report["stages"][stage], seconds);
    }
    let planned = project.pipe(&["plan", "p.yaml", "-S", "word=two", "--json"]);
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    let stages = &plan["stages"];
    assert_eq!(stages["whole"]["forecast"], "run");
    assert_eq!((&stages["part"]["forecast"], &stages["part"]["if_unchanged"]), (&"unknown".into(), &"hit".into()));
    assert_eq!(stages["changed"]["if_unchanged"], "run");
    assert_eq!((&plan["expected_seconds"], &plan["at_most_seconds"]), (&14.0.into(), &30.0.into()));
    // And so it comes.
    let second = project.run_json(&["-S", "word=two"], 0);
    assert_eq!(outcomes(&second), expected(&[("whole", "ran"), ("part", "hit"), ("changed", "ran")]));
}

fn all(outcome: &str, report: &Value) -> bool {
    let found: BTreeMap<String, String> = outcomes(report);
    found.len() == 1000 && found.values().all(|found| found == outcome)
}

#[test]
fn a_chain_of_a_thousand_stages() {
    let mut yaml =
        String::from("pipeline: c\nstages:\n  s0: {uses: command, run: \"echo 0 > ${out.x}\", out: {x: out/s0}}\n");
    for at in 1..1000 {
        let before = at - 1;
        writeln!(
            yaml,
            "  s{at}: {{uses: command, run: \"cp ${{in.x}} ${{out.x}}\", in: {{x: s{before}}}, out: {{x: out/s{at}}}}}"
        )
        .unwrap();
    }
    let project = Project::with_pipeline(&yaml);
    assert!(all("ran", &project.run_json(&[], 0)));
    assert!(all("hit", &project.run_json(&[], 0)));
    assert_eq!(project.read("out/s999"), "0\n");
}

#[test]
fn a_fan_of_a_thousand_stages() {
    let mut yaml = String::from("pipeline: f\nstages:\n");
    for at in 0..999 {
        writeln!(yaml, "  s{at}: {{uses: command, run: \"echo {at} > ${{out.x}}\", out: {{x: out/s{at}}}}}").unwrap();
    }
    let inputs: Vec<_> = (0..999).map(|at| format!("x{at}: s{at}")).collect();
    let inputs = inputs.join(", ");
    writeln!(
        yaml,
        "  end: {{uses: command, run: \"cat out/s* | wc -l > ${{out.x}}\", in: {{{inputs}}}, out: {{x: out/end}}}}"
    )
    .unwrap();
    let project = Project::with_pipeline(&yaml);
    assert!(all("ran", &project.run_json(&[], 0)));
    assert!(all("hit", &project.run_json(&[], 0)));
    assert_eq!(project.read("out/end").trim(), "999");
}

#[test]
fn stages_that_come_to_one_action_execute_it_once() {
    worker("pipe-data");
    let project = Project::with_pipeline(
        r#"pipeline: t
stages:
  one: {uses: produce, with: {hosts: 2, seed: 5}}
  two: {uses: produce, with: {hosts: 2, seed: 5}}
  three: {uses: produce, with: {hosts: 2, seed: 5}}
  apart: {uses: produce, with: {hosts: 2, seed: 6}}
"#,
    );
    let report = project.run_json(&["--jobs", "4"], 0);
    assert_eq!(started(&project), ["one", "apart"]);
    let pairs = [("one", "ran"), ("two", "restored"), ("three", "restored"), ("apart", "ran")];
    assert_eq!(outcomes(&report), expected(&pairs));
    assert!(project.events().contains("`one` does the same just now"));
}
