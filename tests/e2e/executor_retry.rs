//! `retry:`, `timeout:` and `group:` as a run carries them out.

use std::process::Stdio;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::project::{Project, eventually, expected, outcomes, signal};

/// Fails until its ledger has three lines.
const FLAKY: &str = r#"pipeline: r
stages:
  flaky:
    uses: command
    run: "echo try >> $LEDGER; echo this is try $(wc -l < $LEDGER); test $(wc -l < $LEDGER) -ge 3; cp $LEDGER ${out.x}"
    out: {x: out/x}
    env: [LEDGER]
    retry: {attempts: ATTEMPTS, backoff: 10ms}
  behind: {uses: command, run: "cat ${in.x} > ${out.y}", in: {x: flaky}, out: {y: out/y}}
"#;

fn flaky(attempts: u32) -> (Project, Value, i32) {
    let script = FLAKY.replace("ATTEMPTS", &attempts.to_string()).replace("-ge 3;", "-ge 3 &&");
    let project = Project::with_pipeline(&script);
    let ran = project.command(&["run", "p.yaml", "--json"]).env("LEDGER", project.beside("ledger")).output().unwrap();
    let report = serde_json::from_slice(&ran.stdout).unwrap();
    (project, report, ran.status.code().unwrap())
}

#[test]
fn a_failed_stage_is_tried_again_and_each_attempt_is_reported() {
    let (project, report, status) = flaky(4);
    assert_eq!(status, 0);
    assert_eq!(outcomes(&report), expected(&[("flaky", "ran"), ("behind", "ran")]));
    let retried = report["stages"]["flaky"]["retried"].as_array().unwrap();
    assert_eq!(retried.len(), 2);
    assert_eq!(retried[0]["failure"]["message"], "the command failed: exit status 1");
    let log = std::fs::read_to_string(retried[1]["log"].as_str().unwrap()).unwrap();
    assert!(log.contains("this is try 2"), "the log of a failed attempt stays: {log}");
    assert!(project.pipe(&["logs", "flaky"]).stdout.contains("this is try 3"));
    let events = project.events();
    assert_eq!(events.matches("stage_retried").count(), 2, "{events}");
}

#[test]
fn attempts_are_used_up() {
    let (project, report, status) = flaky(2);
    assert_eq!(status, 1);
    assert_eq!(outcomes(&report), expected(&[("flaky", "failed"), ("behind", "blocked")]));
    assert_eq!(report["stages"]["flaky"]["retried"].as_array().unwrap().len(), 1);
    assert_eq!(project.read("../beside/ledger").lines().count(), 2);
}

#[test]
fn what_trying_again_cannot_help_is_not_tried() {
    let project = Project::with_pipeline(
        r#"pipeline: r
stages:
  lazy:
    uses: command
    run: |
      echo try >> $LEDGER
      echo '{"failed":{"class":"invalid_input","message":"no such host","help":null}}' > /dev/fd/$PIPE_EVENTS_FD
      exit 1
    out: {x: out/x}
    env: [LEDGER]
    retry: 5
"#,
    );
    let ran = project.command(&["run", "p.yaml"]).env("LEDGER", project.beside("ledger")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(
        project.read("../beside/ledger").lines().count(),
        1,
        "what a stage itself calls invalid is not tried again"
    );
}

#[test]
fn ctrl_c_ends_a_wait_between_attempts() {
    let project = Project::with_pipeline(
        r#"pipeline: r
stages:
  bad: {uses: command, run: "exit 3", out: {x: out/x}, retry: {attempts: 2, backoff: 10h}}
"#,
    );
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the stage waits for its second attempt", || project.events().contains("stage_retried"));
    signal(&child, "-INT");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let stage = &report["stages"]["bad"];
    assert_eq!(stage["outcome"], "interrupted");
    assert_eq!(stage["cause"], "stopped while it waited to be tried again");
    assert_eq!(stage["retried"].as_array().unwrap().len(), 1);
}

#[test]
fn a_stage_that_takes_too_long_fails_and_may_be_tried_again() {
    let project = Project::with_pipeline(
        r#"pipeline: t
stages:
  hangs: {uses: command, run: "echo try >> $LEDGER; read x < $NEVER", out: {x: out/x}, env: [LEDGER, NEVER], timeout: 100ms, retry: 2}
"#,
    );
    assert!(std::process::Command::new("mkfifo").arg(project.beside("never")).status().unwrap().success());
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    let ran = command.env("LEDGER", project.beside("ledger")).env("NEVER", project.beside("never")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let failure = &report["stages"]["hangs"]["failure"];
    assert_eq!(failure["class"], "resources");
    assert!(failure["message"].as_str().unwrap().contains("100ms"), "{failure}");
    assert_eq!(project.read("../beside/ledger").lines().count(), 2);
}

/// A pipeline of `edges.len()` stages that say when they begin and end, some of which fail at first.
fn pipeline(edges: &[Vec<usize>], groups: &[usize], flaky: &[bool]) -> String {
    let mut yaml = String::from("pipeline: g\ngroups: {two: 2}\nstages:\n");
    for (at, producers) in edges.iter().enumerate() {
        let inputs: Vec<_> = producers.iter().map(|producer| format!("i{producer}: s{producer}")).collect();
        let group = ["", ", group: one", ", group: two", ", group: [one, two]"][groups[at]];
        let fails = if flaky[at] {
            format!("test -e $STATE/{at} || {{ echo > $STATE/{at}; exit 1; }}; ")
        } else {
            String::new()
        };
        yaml += &format!(
            "  s{at}: {{uses: command, run: \"echo b{at} >> $LEDGER; trap 'echo e{at} >> $LEDGER' EXIT; {fails}echo {at} > ${{out.x}}\", \
             in: {{{}}}, out: {{x: out/s{at}}}, env: [LEDGER, STATE], retry: 2{group}}}\n",
            inputs.join(", ")
        );
    }
    yaml
}

#[test]
fn any_pipeline_runs_in_order_within_its_groups_and_to_its_end() {
    let stages = 14;
    let strategy = (
        proptest::collection::vec(proptest::collection::btree_set(0..stages, 0..3), stages),
        proptest::collection::vec(0_usize..4, stages),
        proptest::collection::vec(any::<bool>(), stages),
    );
    let mut runner = TestRunner::new(Config { cases: 3, failure_persistence: None, ..Config::default() });
    let check = |(raw, groups, flaky): (Vec<std::collections::BTreeSet<usize>>, Vec<usize>, Vec<bool>)| {
        let edges: Vec<Vec<usize>> =
            raw.iter().enumerate().map(|(at, from)| from.iter().copied().filter(|from| *from < at).collect()).collect();
        let project = Project::with_pipeline(&pipeline(&edges, &groups, &flaky));
        std::fs::create_dir(project.beside("state")).unwrap();
        let mut command = project.command(&["run", "p.yaml", "--jobs", "4"]);
        let ran =
            command.env("LEDGER", project.beside("ledger")).env("STATE", project.beside("state")).output().unwrap();
        prop_assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let (mut done, mut running) = (vec![0; stages], Vec::new());
        for line in project.read("../beside/ledger").lines() {
            let at: usize = line[1..].parse().unwrap();
            if line.starts_with('b') {
                // A producer that fails at first has ended twice before its outputs are there.
                let ends = |from: &usize| done[*from] == 1 + usize::from(flaky[*from]);
                prop_assert!(edges[at].iter().all(ends), "{line} came before its inputs");
                running.push(at);
            } else {
                running.retain(|one| *one != at);
                done[at] += 1;
            }
            let held = |bit: usize| running.iter().filter(|one| groups[**one] & bit != 0).count();
            prop_assert!(held(1) <= 1 && held(2) <= 2, "{line}: {running:?} run at once");
        }
        prop_assert!((0..stages).all(|at| done[at] == 1 + usize::from(flaky[at])), "{done:?}");
        Ok(())
    };
    runner.run(&strategy, check).unwrap();
}
