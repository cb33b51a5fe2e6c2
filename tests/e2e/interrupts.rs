//! Runs that are stopped, killed or doubled.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::project::{Project, eventually, signal, worker};

/// A stage that says through a fifo that it runs, and then waits for ever on another one.
const WAITS: &str = r#"pipeline: w
stages:
  first: {uses: command, run: "echo done > ${out.a}", out: {a: out/a}}
  waits:
    uses: command
    run: "echo $$ > $STARTED; read line < $GO; echo $line > ${out.b}"
    in: {a: first}
    out: {b: out/b}
    env: [STARTED, GO]
"#;

struct Waiting {
    project: Project,
    child: Child,
    stage_process: String,
}

fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Starts the run and returns once its stage has started.
fn start() -> Waiting {
    let project = Project::with_pipeline(WAITS);
    fifo(&project.beside("started"));
    fifo(&project.beside("go"));
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    command.env("STARTED", project.beside("started")).env("GO", project.beside("go"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(std::fs::File::open(project.beside("started")).unwrap()).read_line(&mut line).unwrap();
    Waiting { project, child, stage_process: line.trim().to_owned() }
}

fn is_running(process: &str) -> bool {
    // A zombie has ended; its reaper is only late.
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

#[test]
fn ctrl_c_ends_the_stage_writes_the_report_and_the_next_run_goes_on() {
    let mut waiting = start();
    signal(&waiting.child, "-INT");
    let status = waiting.child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let mut text = String::new();
    waiting.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["outcome"], "interrupted");
    assert_eq!(report["stages"]["first"]["outcome"], "ran");
    assert_eq!(report["stages"]["waits"]["outcome"], "interrupted");
    assert!(!is_running(&waiting.stage_process));

    let project = &waiting.project;
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    command.env("STARTED", "/dev/null").env("GO", project.beside("answer"));
    project.write("../beside/answer", "42\n");
    let ran = command.output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["stages"]["first"]["outcome"], "hit");
    assert_eq!(report["stages"]["waits"]["outcome"], "ran");
    assert_eq!(project.read("out/b"), "42\n");
}

#[test]
fn a_killed_engine_leaves_no_process_and_no_lock() {
    let mut waiting = start();
    signal(&waiting.child, "-KILL");
    waiting.child.wait().unwrap();
    eventually("the guardian ends the stage", || !is_running(&waiting.stage_process));
    let project = &waiting.project;
    project.write("../beside/answer", "after\n");
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    let ran = command.env("STARTED", "/dev/null").env("GO", project.beside("answer")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(project.read("out/b"), "after\n");
    let left: Vec<_> = std::fs::read_dir(project.path("cache/work")).unwrap().collect();
    assert!(left.is_empty(), "the killed run's private directories are swept: {left:?}");
}

#[test]
fn two_runs_at_once_execute_each_action_once() {
    let project = Project::with_pipeline(
        r#"pipeline: two
stages:
  count: {uses: command, run: "echo ran >> $LEDGER; echo x > ${out.x}", env: [LEDGER], out: {x: out/x}}
"#,
    );
    let ledger = project.beside("ledger");
    let spawn = || {
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        command.env("LEDGER", &ledger).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [spawn(), spawn()];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(project.read("../beside/ledger"), "ran\n");
}

/// A training of a micro model, long enough to be stopped on the way.
const TRAINS: &str = r#"pipeline: t
stages:
  scans: {uses: produce, with: {hosts: 6}}
  joined: {uses: correlate, in: {scans: scans.scans}}
  verified:
    uses: verify
    in: {scans: scans.scans, findings: joined.findings, correlations: joined.correlations}
  dataset:
    uses: transform
    in: {findings: joined.findings, correlations: joined.correlations, verification: verified.verification}
  tokens: {uses: tokenize, in: {dataset: dataset.dataset}, with: {vocab_size: 512}}
  model:
    uses: train
    in: {tokens: tokens}
    with: {model: micro, max_steps: 150, checkpoint_every: 5, eval_every: 1000, eval_examples: 8, threads: 1}
"#;

#[test]
fn a_stopped_training_goes_on_at_its_checkpoint_and_ends_in_the_same_bytes() {
    worker("pipe-data");
    worker("pipe-torch");
    let stopped = Project::with_pipeline(TRAINS);
    let mut command = stopped.command(&["run", "p.yaml", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    eventually("a checkpoint is announced", || stopped.events().contains("stage_checkpoint"));
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report = stopped.run_json(&[], 0);
    assert_eq!(report["stages"]["tokens"]["outcome"], "hit");
    assert_eq!(report["stages"]["model"]["outcome"], "ran");
    assert!(stopped.pipe(&["logs", "model"]).stdout.contains("resumed after step"));

    let whole = Project::with_pipeline(TRAINS).run_json(&[], 0);
    let model = |report: &serde_json::Value| report["stages"]["model"]["outputs"]["model"]["digest"].clone();
    assert_eq!(model(&report), model(&whole));
}
