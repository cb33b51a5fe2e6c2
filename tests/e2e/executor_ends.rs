//! How runs end early: at the first failure, or because the store breaks under them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use crate::project::{Project, eventually, expected, outcomes, signal, worker};

/// `slow` says through a fifo that it runs and then waits for ever; `bad` fails once it has heard that.
const FAILS_BESIDE: &str = r#"pipeline: f
stages:
  slow: {uses: command, run: "trap 'exit 75' TERM; echo up > $FIFO; while :; do read x < $NEVER; done", out: {s: out/s}, env: [FIFO, NEVER]}
  bad: {uses: command, run: "read x < $FIFO; exit 3", out: {b: out/b}, env: [FIFO]}
  behind: {uses: command, run: "cp ${in.b} ${out.c}", in: {b: bad}, out: {c: out/c}}
  later: {uses: command, run: "cp ${in.s} ${out.d}", in: {s: slow}, out: {d: out/d}}
"#;

#[test]
fn fail_fast_stops_what_runs_and_starts_nothing_more() {
    let project = Project::with_pipeline(FAILS_BESIDE);
    for name in ["fifo", "never"] {
        assert!(std::process::Command::new("mkfifo").arg(project.beside(name)).status().unwrap().success());
    }
    let mut command = project.command(&["run", "p.yaml", "--json", "--jobs", "2", "--fail-fast"]);
    let ran = command.env("FIFO", project.beside("fifo")).env("NEVER", project.beside("never")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let as_expected = [("slow", "interrupted"), ("bad", "failed"), ("behind", "blocked"), ("later", "interrupted")];
    assert_eq!(outcomes(&report), expected(&as_expected));
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["stages"]["behind"]["cause"], "needs `bad`, which failed");
    let cause = "not finished: `bad` failed, and --fail-fast stops at the first failure";
    assert_eq!(report["stages"]["slow"]["cause"], cause);
    assert_eq!(report["stages"]["later"]["cause"], cause);
    assert!(project.events().contains("stopping: `bad` failed"));
}

#[test]
fn a_store_that_breaks_mid_run_is_reported_with_what_was_done() {
    let project = Project::with_pipeline(
        r#"pipeline: b
stages:
  first: {uses: command, run: "echo 1 > ${out.x}", out: {x: out/x}}
  breaks: {uses: command, run: "cp ${in.x} ${out.y}; mv $STORE $STORE.gone && echo > $STORE || true", in: {x: first}, out: {y: out/y}, env: [STORE], sandbox: false}
  after: {uses: command, run: "cp ${in.y} ${out.z}", in: {y: breaks}, out: {z: out/z}}
"#,
    );
    let store = project.path("cache");
    let ran = project.command(&["run", "p.yaml", "--json"]).env("STORE", &store).output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("cache"), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["outcome"], "broken");
    assert!(report["error"].as_str().unwrap().contains("cache"), "{report}");
    assert_eq!(report["stages"]["first"]["outcome"], "ran");
    assert_eq!(report["stages"]["after"]["outcome"], "interrupted");

    std::fs::remove_file(&store).unwrap();
    std::fs::rename(project.path("cache.gone"), &store).unwrap();
    let mut next = project.command(&["run", "p.yaml", "--json"]);
    let next = next.env("STORE", project.path("elsewhere")).output().unwrap();
    assert_eq!(next.status.code(), Some(0), "{}", String::from_utf8_lossy(&next.stderr));
    assert_eq!(project.read("out/z"), "1\n");
}

#[test]
fn a_run_that_waits_for_another_one_can_be_stopped() {
    let project = Project::with_pipeline(
        r#"pipeline: w
stages:
  held: {uses: command, run: "echo up > $UP; read x < $GO; echo $x > ${out.x}", out: {x: out/x}, env: [UP, GO]}
"#,
    );
    for name in ["up", "go"] {
        assert!(std::process::Command::new("mkfifo").arg(project.beside(name)).status().unwrap().success());
    }
    let start = || -> Child {
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        command.env("UP", project.beside("up")).env("GO", project.beside("go"));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut first = start();
    BufReader::new(std::fs::File::open(project.beside("up")).unwrap()).read_line(&mut String::new()).unwrap();
    let second = start();
    eventually("the second run comes to the stage", || project.events().matches("stage_started").count() == 2);
    signal(&second, "-INT");
    let second = second.wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(130));
    let report: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(report["stages"]["held"]["outcome"], "interrupted");
    writeln!(std::fs::OpenOptions::new().write(true).open(project.beside("go")).unwrap(), "gone on").unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(project.read("out/x"), "gone on\n");
}

#[test]
fn two_runs_at_once_execute_the_action_of_a_card_once() {
    worker("pipe-data");
    let yaml = "pipeline: two\nstages:\n  scans: {uses: produce, with: {hosts: 3}}\n";
    let project = Project::with_pipeline(yaml);
    let both = [(); 2].map(|()| {
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    });
    let outcome = |child: Child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["stages"]["scans"]["outcome"].as_str().unwrap().to_owned()
    };
    let ran = both.map(outcome).iter().filter(|outcome| *outcome == "ran").count();
    assert_eq!(ran, 1);
}
