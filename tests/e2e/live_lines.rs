//! The lines that are drawn while a run goes on fit the terminal, for any stages.

use std::process::Command;

use crate::project::{Project, pipe};
use crate::terminal::{Screen, frames, on_a_terminal_of};

/// Stages that all run at once: each ends when the last has begun.
fn crowd(stages: usize) -> Project {
    let project = Project::with_pipeline(&format!(
        r#"pipeline: crowd
params: {{i: [{}]}}
stages:
  waits:
    uses: command
    matrix: {{i: "${{params.i}}"}}
    run: "echo >> $LEDGER; while [ $(wc -l < $LEDGER) -lt {stages} ]; do read -t 0.1 x < $NEVER || :; done; echo > ${{out.x}}"
    out: {{x: "out/${{matrix.i}}"}}
    env: [LEDGER, NEVER]
"#,
        (0..stages).map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
    ));
    project.write("../beside/ledger", "");
    project
}

/// Runs the crowd on a terminal of this size and returns the frames with what ran in them.
fn check(stages: usize, rows: u16, columns: u16) -> Vec<Vec<String>> {
    let project = crowd(stages);
    let mut command = project.command(&["run", "p.yaml", "--no-throttle", "--jobs", &stages.to_string()]);
    command.env("LEDGER", project.beside("ledger")).env("NEVER", "/dev/null");
    let (status, written) = on_a_terminal_of(command, rows, columns);
    assert_eq!(status, 0, "{written}");
    let mut screen = Screen::new(columns);
    screen.take(&written);
    assert!(screen.climbed <= usize::from(rows), "the first row had scrolled away: {}", screen.climbed);
    let left = screen.text();
    assert!(!left.iter().any(|line| line.contains("running") || line.contains("more")), "{left:#?}");
    frames(&written, columns)
}

/// The rows of a frame that are drawn over: the stages, the count of stages left out, and the run.
fn live(frame: &[String]) -> Vec<&String> {
    frame.iter().filter(|row| row.contains("⠋") || row.contains("waits[i=") && !row.contains("ran  ")).collect()
}

#[test]
fn forty_stages_on_24_rows_of_80_columns_do_not_scroll() {
    let frames = check(40, 24, 80);
    let crowded = frames.iter().filter(|frame| frame.iter().any(|row| row.contains(" more"))).count();
    assert!(crowded > 0, "the rest is counted: {frames:#?}");
    for frame in &frames {
        assert!(live(frame).len() <= 23, "{frame:#?}");
        assert!(frame.iter().all(|row| row.chars().count() < 80), "{frame:#?}");
    }
}

#[test]
fn a_small_terminal_shows_how_far_the_run_is() {
    for (rows, columns) in [(4, 40), (1, 60)] {
        let frames = check(8, rows, columns);
        assert!(frames.iter().any(|frame| frame.iter().any(|row| row.contains("running"))), "{frames:#?}");
        assert!(frames.iter().all(|frame| live(frame).len() <= usize::from(rows)), "{frames:#?}");
    }
}

/// Two stages, of which one never ends, and a shell that stops `pipe` when both run.
fn check_stopped(signals: &str) -> Vec<String> {
    let project = Project::with_pipeline(
        r#"pipeline: w
stages:
  waits: {uses: command, run: "echo > $STARTED; read line < $GO; echo > ${out.a}", out: {a: out/a}, env: [STARTED, GO]}
  after: {uses: command, run: "cat ${in.a} > ${out.b}", in: {a: waits}, out: {b: out/b}}
"#,
    );
    let mut command = Command::new("sh");
    let script = format!("mkfifo $STARTED $GO; \"$0\" run p.yaml & read line < $STARTED; {signals} wait $!");
    command.args(["-c", &script]).arg(pipe()).current_dir(project.root()).env("NO_COLOR", "1");
    command.env("STARTED", project.beside("started")).env("GO", project.beside("go"));
    let (status, written) = on_a_terminal_of(command, 24, 80);
    assert_eq!(status, 130, "{written}");
    let mut screen = Screen::new(80);
    screen.take(&written);
    let left = screen.text();
    assert!(!left.iter().any(|row| row.contains("running") || row.contains("⠋")), "{left:#?}");
    left
}

#[test]
fn a_run_that_is_stopped_leaves_nothing_of_its_live_lines() {
    let left = check_stopped("kill -TERM $!;");
    assert!(left.iter().any(|row| row.starts_with("w: ") && row.contains("2 not finished")), "{left:#?}");
    let left = check_stopped("kill -TERM $!; kill -INT $!; kill -TERM $!;");
    assert!(left.iter().any(|row| row.starts_with("w: ") || row.starts_with("ended at once")), "{left:#?}");
}
