//! `pipe shell`: a stage's directory, by hand.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::project::Project;

const TWO: &str = r#"pipeline: two
secrets: {token: {env: MY_TOKEN}}
stages:
  say: {uses: command, run: "cat ${in.data} > ${out.text}", in: {data: {path: data/in.txt}}, out: {text: out/say.txt}}
  count:
    uses: command
    run: "wc -c < ${in.text} > ${out.n}"
    in: {text: say}
    out: {n: out/n.txt}
    env: [GREETING]
    secrets: {TOKEN: token}
  scans: {uses: produce, with: {hosts: 2}}
"#;

fn two() -> Project {
    let project = Project::with_pipeline(TWO);
    project.write("data/in.txt", "hello\n");
    project.write("data/other.txt", "not declared\n");
    project
}

#[test]
fn a_command_runs_where_its_stage_would_and_nothing_of_it_is_kept() {
    let project = two();
    let early = project.pipe(&["shell", "count", "-f", "p.yaml", "--", "true"]);
    assert_eq!(early.status, 2);
    assert!(
        early.stderr.contains("needs what say gives") && early.stderr.contains("pipe run p.yaml say"),
        "{}",
        early.stderr
    );
    project.pipe(&["run", "p.yaml", "say"]);

    let script = "find . -type f; cat out/say.txt; echo $GREETING $TOKEN $UNDECLARED; echo mine > out/n.txt";
    let mut command = project.command(&["shell", "count", "--", "/bin/sh", "-c", script]);
    let output = command.env("GREETING", "hi").env("UNDECLARED", "no").env("MY_TOKEN", "s3cret").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "./out/say.txt\nhello\nhi s3cret\n");
    assert!(!project.path("out/n.txt").exists());
    let left = std::fs::read_dir(project.path("cache/work")).unwrap().count();
    assert_eq!(left, 0, "the private directory is gone");

    let failed = project.pipe(&["shell", "say", "--", "false"]);
    assert_eq!(failed.status, 1, "{}", failed.stderr);
    let missing = project.pipe(&["shell", "say", "--", "no-such-program"]);
    assert_eq!(missing.status, 2, "{}", missing.stderr);
    let wrong = project.pipe(&["shell", "sya", "--", "true"]);
    assert!(wrong.stderr.contains("did you mean `say`?"), "{}", wrong.stderr);
}

#[test]
fn a_stage_of_a_kind_has_its_job_and_a_checkpoint_directory_of_its_own() {
    let project = two();
    let ran = project.pipe(&["shell", "scans", "-f", "p.yaml", "--", "cat", "job.json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let job: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((job["kind"].as_str(), job["params"]["hosts"].as_i64()), (Some("produce"), Some(2)));
    assert!(job["checkpoints"].as_str().unwrap().contains("cache/work/"), "{job}");
    let kept = std::fs::read_dir(project.path("cache/checkpoints")).map_or(0, Iterator::count);
    assert_eq!(kept, 0, "those of the stage itself are left alone");
    let shown = project.pipe(&["shell", "scans", "-f", "p.yaml", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["argv"][1], "run");
}

#[test]
fn a_shell_reads_what_is_typed_and_shows_the_script_and_outlives_ctrl_c() {
    let project = two();
    let mut command = project.command(&["shell", "say", "-f", "p.yaml"]);
    let command = command.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(b"cat data/in.txt\nkill -INT $PPID\n").unwrap();
    typed.write_all(b"echo still here\nexit 0\n").unwrap();
    drop(typed);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "hello\nstill here\n");
    assert!(stderr.contains("it would run:\n  cat data/in.txt > out/say.txt\n"), "{stderr}");
    assert_eq!(std::fs::read_dir(project.path("cache/work")).unwrap().count(), 0);
}
