//! Engines that are killed or interrupted while a stage runs: nothing is left running, and the next run gives the right bytes.
//!
//! That nothing is left is read off a FIFO which every process of the stage holds open: its end comes when the last is gone.
//! FIFOs lie outside the project, where a command may reach them also on a kernel that confines it to its directory.

use std::process::{Child, Stdio};

use crate::project::{Project, expected, outcomes, signal};
use crate::witness::Witness;

/// A stage with a family: in its group, in a session of its own, and one whose parents are gone; two of them ignore what can
/// be ignored. `$FIRST` are the commands of the stage before it has any of them.
const FAMILY: &str = r#"pipeline: k
stages:
  first: {uses: command, run: "echo 1 > ${out.a}", out: {a: out/a}}
  family:
    uses: command
    run: |
      trap 'echo asked >&8' TERM
      exec 8> $HELD
      echo up >&8
      eval "$FIRST"
      (trap '' TERM HUP; echo up >&8; read x < $NEVER) &
      setsid sh -c 'echo up >&8; read x < $NEVER' &
      (setsid sh -c '(trap "" TERM HUP; echo up >&8; read x < $NEVER) & exit' &)
      echo partial > ${out.b}
      until read x < $NEVER; do :; done
      echo $x > ${out.b}
    in: {a: first}
    out: {b: out/b}
    env: [HELD, NEVER, FIRST]
"#;

struct Family {
    project: Project,
    witness: Witness,
    engine: Child,
}

/// Starts the run and returns once so many processes of the stage are up; they are four in all.
fn start(first: &str, up: usize) -> Family {
    let project = Project::with_pipeline(FAMILY);
    let witness = Witness::new();
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    command.env("HELD", witness.held()).env("NEVER", witness.never()).env("FIRST", first);
    let engine = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..up {
        assert_eq!(witness.next().as_deref(), Some("up"));
    }
    Family { project, witness, engine }
}

impl Family {
    /// Waits until nobody of the family is left, then runs again with something to read.
    fn is_gone_and_runs_again(&self) {
        assert_eq!(self.witness.next(), None, "somebody still lives");
        let project = &self.project;
        assert!(!project.path("out/b").exists(), "what was half done is not shown");
        let answer = self.witness.file("answer", "right\n");
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        let ran = command.env("HELD", "/dev/null").env("NEVER", answer).env("FIRST", "true").output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        let report = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(outcomes(&report), expected(&[("first", "hit"), ("family", "ran")]));
        assert_eq!(project.read("out/b"), "right\n");
        assert_no_private_directory(project);
    }
}

fn assert_no_private_directory(project: &Project) {
    let left: Vec<_> = std::fs::read_dir(project.path("cache/work")).unwrap().flatten().collect();
    assert!(left.is_empty(), "private directories are left: {left:?}");
}

#[test]
fn kill_9_while_a_stage_runs_ends_its_whole_family() {
    let mut family = start("true", 4);
    family.engine.kill().unwrap();
    family.engine.wait().unwrap();
    family.is_gone_and_runs_again();
}

#[test]
fn a_stage_that_kills_its_engine_at_once_and_goes_on_forking_ends_with_it() {
    let mut family = start("kill -9 $PPID", 1);
    family.engine.wait().unwrap();
    // It goes on forking while it is killed; some of its children may come so far as to say so.
    while family.witness.next().is_some() {}
    family.is_gone_and_runs_again();
}

#[test]
fn the_second_ctrl_c_kills_a_family_that_ignores_the_first() {
    let mut family = start("true", 4);
    signal(&family.engine, "-INT");
    assert_eq!(family.witness.next().as_deref(), Some("asked"), "the first one asks");
    signal(&family.engine, "-INT");
    let stdout = family.engine.stdout.take().unwrap();
    let report = serde_json::from_reader(stdout).unwrap();
    assert_eq!(family.engine.wait().unwrap().code(), Some(130));
    assert_eq!(outcomes(&report), expected(&[("first", "ran"), ("family", "interrupted")]));
    family.is_gone_and_runs_again();
}

/// The engine stands between the prepared directory and the start of the process: the secret that it reads there is a FIFO.
#[test]
fn kill_9_before_a_stage_is_started_leaves_nothing_but_work_to_do() {
    let project = Project::with_pipeline(
        r#"pipeline: k
secrets: {word: {file: word}}
stages:
  first: {uses: command, run: "echo 1 > ${out.a}", out: {a: out/a}}
  second:
    uses: command
    run: "echo started >> $LEDGER; test $WORD = open-sesame && cat ${in.a} > ${out.b}"
    in: {a: first}
    out: {b: out/b}
    env: [LEDGER]
    secrets: {WORD: word}
"#,
    );
    let witness = Witness::new();
    let ledger = witness.file("ledger", "");
    crate::witness::fifo(&project.path("word"));
    let run = || {
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        command.env("LEDGER", &ledger).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut engine = run();
    // Opening it for writing returns when the engine has opened it for reading.
    let word = std::fs::OpenOptions::new().write(true).open(project.path("word")).unwrap();
    engine.kill().unwrap();
    engine.wait().unwrap();
    drop(word);
    std::fs::remove_file(project.path("word")).unwrap();
    project.write("word", "open-sesame\n");
    let ran = run().wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    let report = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(outcomes(&report), expected(&[("first", "hit"), ("second", "ran")]));
    assert_eq!(project.read("out/b"), "1\n");
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "started\n", "it was started once");
    assert_no_private_directory(&project);
}
