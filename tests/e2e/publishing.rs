//! Who puts what into the workspace, and when: two runs at once, kills in the middle, and what lies there of earlier runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::project::{Project, eventually, signal};

/// Publishes `out/a`, then waits for a line in a fifo.
const HOLDS: &str = r#"pipeline: w
params: {salt: 0}
stages:
  a: {uses: command, run: "echo ${params.salt} > ${out.o}", out: {o: out/a}}
  b: {uses: command, run: 'if printenv GO; then echo up > $STARTED; read line < $GO; fi; echo ${params.salt} > ${out.o}', in: {after: a}, out: {o: out/b}, env: [STARTED, GO]}
"#;

/// A run that has published something and goes on until it is let go.
struct Holding {
    child: Child,
}

fn hold(project: &Project, words: &[&str]) -> Holding {
    for name in ["started", "go"] {
        assert!(std::process::Command::new("mkfifo").arg(project.beside(name)).status().unwrap().success());
    }
    let mut all = vec!["run", "p.yaml", "--quiet"];
    all.extend(words);
    let mut command = project.command(&all);
    command.env("STARTED", project.beside("started")).env("GO", project.beside("go"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(std::fs::File::open(project.beside("started")).unwrap()).read_line(&mut line).unwrap();
    Holding { child }
}

impl Holding {
    fn let_go(mut self, project: &Project) {
        let mut go = std::fs::OpenOptions::new().write(true).open(project.beside("go")).unwrap();
        go.write_all(b"go\n").unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

fn waits(project: &Project) -> bool {
    project.events().contains("everything is done; waits to publish until run ")
}

fn start(project: &Project, words: &[&str]) -> Child {
    let mut command = project.command(words);
    command.env_remove("GO").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn text(stream: Option<impl Read>) -> String {
    let mut text = String::new();
    stream.unwrap().read_to_string(&mut text).unwrap();
    text
}

fn holds(project: &Project, a: &str, b: &str) {
    assert_eq!((project.read("out/a"), project.read("out/b")), (format!("{a}\n"), format!("{b}\n")));
}

#[test]
fn of_two_runs_with_other_params_the_later_publishes_at_its_end() {
    let project = Project::with_pipeline(HOLDS);
    let first = hold(&project, &["-S", "salt=1"]);
    let mut second = start(&project, &["run", "p.yaml", "-S", "salt=2"]);
    eventually("the second run is done but for publishing", || waits(&project));
    assert_eq!(project.read("out/a"), "1\n", "nothing of the second");
    first.let_go(&project);
    assert_eq!(second.wait().unwrap().code(), Some(0));
    let told = text(second.stderr.take());
    assert!(told.contains("of `w` (process "), "{told}");
    assert!(!told.contains("moved"), "{told}");
    holds(&project, "2", "2");
}

#[test]
fn who_does_not_want_to_wait_finds_the_results_in_the_store() {
    let project = Project::with_pipeline(HOLDS);
    let first = hold(&project, &["-S", "salt=1"]);
    let mut second = start(&project, &["run", "p.yaml", "-S", "salt=2", "--json"]);
    eventually("the second run is done but for publishing", || waits(&project));
    signal(&second, "-INT");
    assert_eq!(second.wait().unwrap().code(), Some(130));
    let report: Value = serde_json::from_str(&text(second.stdout.take())).unwrap();
    assert_eq!((&report["outcome"], &report["stages"]["b"]["outcome"]), (&"interrupted".into(), &"ran".into()));
    first.let_go(&project);
    holds(&project, "1", "1");
    let outcomes = project.outcomes(&["-S", "salt=2"]);
    assert!(outcomes.values().all(|outcome| outcome == "restored"), "{outcomes:?}");
    holds(&project, "2", "2");
}

#[test]
fn others_are_not_kept_waiting() {
    let project = Project::with_pipeline(HOLDS);
    project.write("q.yaml", "pipeline: q\nstages:\n  c: {uses: command, run: 'echo c > ${out.o}', out: {o: out/c}}\n");
    let first = hold(&project, &["-S", "salt=1"]);
    // Other places.
    assert_eq!(project.pipe(&["run", "q.yaml"]).status, 0);
    assert_eq!(project.read("out/c"), "c\n");
    // Everything in place.
    assert_eq!(project.pipe(&["run", "p.yaml", "a", "-S", "salt=1"]).status, 0);
    // Nothing is put there.
    let ran = project.pipe(&["run", "p.yaml", "-S", "salt=3", "--no-publish"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("outputs in the store only"), "{}", ran.stderr);
    assert!(!project.path("out/b").exists());
    first.let_go(&project);
    holds(&project, "1", "1");
}

#[test]
fn what_was_in_place_before_another_run_published_is_put_back() {
    // The first finds `a` in place and asks for nothing; the second publishes all; the first must not leave a mixture.
    let project = Project::with_pipeline(HOLDS);
    project.run_json(&["a", "-S", "salt=1"], 0);
    let first = hold(&project, &["-S", "salt=1"]);
    assert_eq!(project.pipe(&["run", "p.yaml", "-S", "salt=2"]).status, 0);
    holds(&project, "2", "2");
    first.let_go(&project);
    holds(&project, "1", "1");
}

#[test]
fn a_stage_that_writes_in_the_workspace_waits_before_it_begins() {
    let project = Project::with_pipeline(HOLDS);
    project.write(
        "q.yaml",
        "pipeline: q\nstages:\n  b: {uses: command, sandbox: false, run: 'echo q > ${out.o}', out: {o: out/b}}\n",
    );
    let first = hold(&project, &["-S", "salt=1"]);
    let mut second = start(&project, &["run", "q.yaml"]);
    eventually("it says whom it waits for", || project.events().contains("waits for run "));
    assert!(!project.path("out/b").exists());
    let refused = project.run_json_of("q.yaml", &["--no-publish"], 1);
    let message = refused["stages"]["b"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("--no-publish"), "{message}");
    first.let_go(&project);
    assert_eq!(second.wait().unwrap().code(), Some(0), "{}", text(second.stderr.take()));
    assert_eq!(project.read("out/b"), "q\n");
}

const TREES: &str = r#"pipeline: t
params: {salt: 0}
stages:
  d: {uses: command, run: "mkdir -p ${out.o}/x ${out.o}/empty; echo ${params.salt} > ${out.o}/x/f; ln -s x ${out.o}/l", out: {o: {path: out/d, type: dir}}}
  e: {uses: command, run: "cp ${in.i}/x/f ${out.o}; chmod +x ${out.o}", in: {i: d}, out: {o: out/e}}
"#;

#[test]
fn a_kill_between_publishing_and_remembering_makes_nothing_the_users() {
    // Nothing of the killed run is in the memo.
    for point in ["during-publish:2", "before-record:2"] {
        let project = Project::with_pipeline(TREES);
        let died = project.command(&["run", "p.yaml"]).env("PIPE_FAILPOINT", point).output().unwrap();
        assert_eq!(died.status.signal(), Some(9), "{point}");
        assert!(project.path("out/d/x/f").exists(), "{point}");
        let next = project.pipe(&["run", "p.yaml", "-S", "salt=1"]);
        assert_eq!(next.status, 0, "{}", next.stderr);
        assert!(!next.stderr.contains("moved"), "{point}: {}", next.stderr);
        assert_eq!(project.read("out/d/x/f"), "1\n");
        assert!(!project.path("cache/displaced").exists());
    }
}

#[test]
fn a_directory_that_the_user_touched_is_theirs_also_after_a_kill() {
    let project = Project::with_pipeline(TREES);
    let died = project.command(&["run", "p.yaml"]).env("PIPE_FAILPOINT", "during-publish:2").output().unwrap();
    assert_eq!(died.status.signal(), Some(9));
    project.write("out/d/mine", "precious");
    let next = project.pipe(&["run", "p.yaml", "-S", "salt=1"]);
    assert!(next.stderr.contains("; 1 file of yours moved to "), "{}", next.stderr);
}

#[test]
fn what_a_killed_stage_left_in_the_workspace_is_not_called_the_users() {
    let project = Project::with_pipeline(
        r#"pipeline: k
stages:
  s: {uses: command, sandbox: false, run: 'echo half > ${out.o}; if printenv GO; then echo up > $STARTED; read line < $GO; fi; echo whole >> ${out.o}', out: {o: out/s}, env: [STARTED, GO]}
"#,
    );
    let mut first = hold(&project, &[]);
    signal(&first.child, "-KILL");
    first.child.wait().unwrap();
    assert_eq!(project.read("out/s"), "half\n");
    let next = project.pipe(&["run", "p.yaml"]);
    assert_eq!(next.status, 0, "{}", next.stderr);
    assert!(!next.stderr.contains("did not write") && !next.stderr.contains("of yours"), "{}", next.stderr);
    assert!(next.stderr.contains("out/s was left unfinished by run "), "{}", next.stderr);
    assert_eq!(project.read("out/s"), "half\nwhole\n");
    // A file of the user's still is.
    std::fs::remove_file(project.path("out/s")).unwrap();
    project.write("out/s", "mine");
    let refreshed = project.pipe(&["run", "p.yaml", "--refresh", "s"]);
    assert!(refreshed.stderr.contains("out/s held a file that `pipe` did not write"), "{}", refreshed.stderr);
}

const EARLIER: &str = r#"pipeline: e
params: {fail: ""}
stages:
  good: {uses: command, run: "echo good > ${out.o}", out: {o: out/good}}
  bad: {uses: command, run: "test -z '${params.fail}' && echo bad > ${out.o}", out: {o: out/bad}}
  behind: {uses: command, run: "cat ${in.i} > ${out.o}", in: {i: bad}, out: {o: out/behind}}
  old: {uses: command, run: "mkdir -p ${out.o}/d; echo old > ${out.o}/d/f", out: {o: {path: out/deep/old, type: dir}}}
  cell: {uses: command, matrix: {n: [1, 2]}, run: "echo ${matrix.n} > ${out.o}", out: {o: "out/cell-${matrix}"}}
"#;

fn earlier(report: &Value) -> Vec<(String, String)> {
    let found = report["earlier"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    found.iter().map(|it| (text(&it["path"]), text(&it["state"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(path, state)| ((*path).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn outputs_of_stages_that_failed_or_are_gone_are_named_and_pruned() {
    let project = Project::with_pipeline(EARLIER);
    assert_eq!(earlier(&project.run_json(&[], 0)), []);
    let failed = project.run_json(&["-S", "fail=x"], 1);
    assert_eq!(earlier(&failed), pairs(&[("out/bad", "untouched"), ("out/behind", "untouched")]));
    let shown = project.pipe(&["show", "behind"]).stdout;
    assert!(shown.contains("of an earlier action"), "{shown}");
    // Without `old` and without one value of the matrix.
    let text = project.read("p.yaml").replace("[1, 2]", "[2]");
    let text: String = text.lines().filter(|line| !line.contains("old:")).map(|line| format!("{line}\n")).collect();
    project.write("p.yaml", &text);
    for _ in 0..2 {
        let named = earlier(&project.run_json(&[], 0));
        assert_eq!(named, pairs(&[("out/cell-n=1", "untouched"), ("out/deep/old", "untouched")]), "again and again");
    }
    let said = project.pipe(&["run", "p.yaml"]).stderr;
    assert!(said.contains("out/deep/old: `old` is no longer in the pipeline") && said.contains("--prune"), "{said}");
    assert!(project.pipe(&["show", "old"]).stdout.contains("of an earlier action"));
    // A part of the pipeline says nothing of the rest.
    assert_eq!(earlier(&project.run_json(&["good"], 0)), []);
    // The user's own files, and outputs that the user changed, stay.
    std::fs::remove_file(project.path("out/cell-n=1")).unwrap();
    project.write("out/cell-n=1", "1\n");
    project.write("out/mine", "mine");
    let pruned = earlier(&project.run_json(&["--prune"], 0));
    assert_eq!(pruned, pairs(&[("out/cell-n=1", "changed"), ("out/deep/old", "removed")]));
    assert!(!project.path("out/deep").exists() && project.path("out/mine").exists());
    assert_eq!((project.read("out/cell-n=1"), project.read("out/good")), ("1\n".into(), "good\n".into()));
    assert_eq!(earlier(&project.run_json(&[], 0)), pairs(&[("out/cell-n=1", "changed")]));
}

#[test]
fn a_place_that_another_pipeline_took_over_is_not_pruned() {
    let project = Project::with_pipeline(EARLIER);
    project.run_json(&[], 0);
    project.write(
        "q.yaml",
        "pipeline: e\nstages:\n  z: {uses: command, run: 'echo z > ${out.o}', out: {o: out/behind}}\n",
    );
    assert_eq!(project.pipe(&["run", "q.yaml"]).status, 0);
    let text = project.read("p.yaml");
    let text: String = text.lines().filter(|line| !line.contains("behind:")).map(|line| format!("{line}\n")).collect();
    project.write("p.yaml", &text);
    assert_eq!(earlier(&project.run_json(&["--prune"], 0)), []);
    assert_eq!(project.read("out/behind"), "z\n");
}

#[test]
fn a_skipped_stage_leaves_its_earlier_output_named() {
    let project = Project::with_pipeline(
        r#"pipeline: s
params: {on: true}
stages:
  m: {uses: command, run: "echo m > ${out.o}", out: {o: out/m}}
  n: {uses: command, when: "${params.on}", run: "cat ${in.i} > ${out.o}", in: {i: m}, out: {o: out/n}}
"#,
    );
    assert_eq!(earlier(&project.run_json(&[], 0)), []);
    let skipped = project.run_json(&["-S", "on=false"], 0);
    assert_eq!(earlier(&skipped), pairs(&[("out/n", "untouched")]));
    assert_eq!(earlier(&project.run_json(&["-S", "on=false", "--prune"], 0)), pairs(&[("out/n", "removed")]));
    assert_eq!(earlier(&project.run_json(&["-S", "on=false"], 0)), []);
    assert!(!project.path("out/n").exists());
    assert_eq!(project.outcomes(&[])["n"], "restored", "the store kept it");
}
