//! The output of a run while it goes on and at its end: on a terminal, in a log, and as events.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, checkout, signal};
use crate::terminal::{on_a_terminal, screen};

/// A stage that counts, one that fails and one that needs it.
const STORY: &str = r#"pipeline: story
stages:
  counts:
    uses: command
    run: >-
      n=$PIPE_EVENTS_FD; for i in 1 2 3; do
      echo "{\"progress\":{\"done\":$i,\"total\":3,\"unit\":\"rows\"}}" > /proc/self/fd/$n;
      echo "{\"metric\":{\"name\":\"loss\",\"step\":$i,\"value\":0.5}}" > /proc/self/fd/$n; done; echo > ${out.x}
    out: {x: out/counts}
  fails: {uses: command, run: "printf '1 %%\\r2 %%\\rthis is why\\n'; exit 3", out: {x: out/fails}}
  needs: {uses: command, run: "cat ${in.x} > ${out.x}", in: {x: fails}, out: {x: out/needs}}
"#;

/// So many stages beside each other.
fn wide(stages: usize) -> String {
    let mut text = "pipeline: wide\nstages:\n".to_owned();
    for stage in 0..stages {
        writeln!(text, "  s{stage}: {{uses: command, run: \"echo {stage} > ${{out.x}}\", out: {{x: out/{stage}}}}}")
            .unwrap();
    }
    text
}

#[test]
fn a_terminal_ends_with_the_story_and_no_remains_of_live_lines() {
    let project = Project::with_pipeline(STORY);
    let mut command = project.command(&["run", "p.yaml"]);
    command.env_remove("NO_COLOR");
    let (status, written) = on_a_terminal(command);
    assert_eq!(status, 1, "{written}");
    assert!(written.contains("\u{1b}[31m"), "a failure is red: {written:?}");
    let screen = screen(&written);
    let has = |text: &str| screen.iter().filter(|line| line.contains(text)).count();
    assert_eq!((has("ran  counts"), has("failed  fails"), has("blocked  needs")), (1, 1, 1), "{screen:#?}");
    assert_eq!(has("| this is why"), 1, "at once, which is shortly before the end: {screen:#?}");
    assert_eq!(has("whole log: pipe logs fails"), 1, "{screen:#?}");
    assert_eq!((has("running"), has("start")), (0, 0), "live lines are gone: {screen:#?}");
    assert!(
        screen.iter().rev().find(|line| !line.is_empty()).unwrap().starts_with("story: 1 ran, 1 failed, 1 blocked in ")
    );
}

#[test]
fn a_terminal_without_colours_has_live_lines_and_no_colour() {
    let project = Project::with_pipeline(STORY);
    let (_, written) = on_a_terminal(project.command(&["run", "p.yaml"]));
    assert!(written.contains("running") && written.contains("\u{1b}[2K"), "{written:?}");
    let coloured = written.split("\u{1b}[").skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m') && !rest.starts_with("0m")
    });
    assert!(!coloured, "{written:?}");
    let mut dumb = project.command(&["run", "p.yaml"]);
    dumb.args(["--quiet"]);
    let (_, written) = on_a_terminal(dumb);
    assert!(!written.contains('\u{1b}') && !written.contains("ran  counts"), "{written:?}");
}

#[test]
fn hits_of_a_large_plan_are_counted_in_a_log_and_on_a_terminal() {
    let project = Project::with_pipeline(&wide(60));
    let first = project.pipe(&["run", "p.yaml"]).stderr;
    assert!(first.contains("ran  [60/60] s"), "{first}");
    let again = project.pipe(&["run", "p.yaml"]).stderr;
    assert_eq!(again.lines().next(), Some("        hit  60 stages"));
    assert_eq!(again.lines().count(), 2, "{again}");
    std::fs::remove_file(project.path("out/7")).unwrap();
    let (_, written) = on_a_terminal(project.command(&["run", "p.yaml"]));
    let screen = screen(&written);
    assert!(screen.iter().any(|line| line == "        hit  59 stages"), "{screen:#?}");
    assert!(screen.iter().any(|line| line == "   restored  1 stage"), "{screen:#?}");
    assert_eq!(project.pipe(&["run", "p.yaml", "--quiet"]).stderr, "");
}

#[test]
fn events_stream_as_they_happen_and_begin_with_their_schema() {
    let project = Project::with_pipeline(STORY);
    let ran = project.pipe(&["run", "p.yaml", "--events", "-", "--quiet"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["schema"], "pipe/run-event/1");
    assert_eq!(lines[1]["event"]["run_started"]["pipeline"], "story");
    assert!(lines.last().unwrap()["event"]["run_ended"].is_object());
    assert!(lines.iter().any(|line| line["event"]["stage_metric"]["value"] == 0.5));
    let schema = std::fs::read_to_string(checkout().join("schemas/run-event.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for line in &lines {
        assert!(schema.is_valid(line), "{line}");
    }
    let run = lines[1]["event"]["run_started"]["run"].as_str().unwrap();
    let kept = project.read(&format!("cache/runs/{run}/events.ndjson"));
    assert_eq!(kept.lines().count(), lines.len(), "the journal holds the same");

    assert_eq!(project.pipe(&["run", "p.yaml", "--events", "events"]).status, 1);
    assert!(project.read("events").starts_with(r#"{"schema":"pipe/run-event/1""#));
    let both = project.pipe(&["run", "p.yaml", "--events", "-", "--json"]);
    assert_eq!((both.status, both.stdout.contains("both want standard output")), (2, true), "{}", both.stdout);
    let nowhere = project.pipe(&["run", "p.yaml", "--events", "no/such/directory"]);
    assert_eq!(nowhere.status, 2, "{}", nowhere.stderr);
}

#[test]
fn an_event_is_readable_while_its_stage_still_runs_and_a_stopped_run_says_how_to_go_on() {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  s: {uses: command, run: \"read x < $FIFO\", env: [FIFO], out: {x: out/x}}\n",
    );
    assert!(std::process::Command::new("mkfifo").arg(project.beside("fifo")).status().unwrap().success());
    let mut command = project.command(&["run", "p.yaml", "--events", "-"]);
    let command = command.env("FIFO", project.beside("fifo")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("stage_started")));
    signal(&child, "-INT");
    assert!(lines.any(|line| line.contains(r#""outcome":"interrupted""#)));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.ends_with("; the next run goes on from here: pipe run p.yaml --events -\n"), "{stderr}");
}
