//! Stages that fail, and the messages to the user.

use crate::project::{Project, expected, outcomes};

#[test]
fn a_failed_stage_blocks_what_needs_it_and_nothing_else() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  bad: {uses: command, run: "echo reason >&2; exit 3", out: {x: out/x}}
  after: {uses: command, run: "cat ${in.x} > ${out.y}", in: {x: bad}, out: {y: out/y}}
  beside: {uses: command, run: "echo fine > ${out.z}", out: {z: out/z}}
"#,
    );
    let report = project.run_json(&[], 1);
    assert_eq!(outcomes(&report), expected(&[("bad", "failed"), ("after", "blocked"), ("beside", "ran")]));
    assert_eq!(report["outcome"], "failed");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.stderr.contains("reason"), "the log's tail is shown: {}", ran.stderr);
    assert!(ran.stderr.contains("exit status 3"), "{}", ran.stderr);
    assert!(ran.stderr.contains("pipe logs bad"), "{}", ran.stderr);
    assert!(project.pipe(&["logs", "bad"]).stdout.contains("reason"));
    assert!(!project.path("out/x").exists());
}

#[test]
fn an_undeclared_read_fails() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  sneaky: {uses: command, run: "cat data/secret.txt > ${out.x}", out: {x: out/x}}
"#,
    );
    project.write("data/secret.txt", "s");
    let report = project.run_json(&[], 1);
    assert_eq!(report["stages"]["sneaky"]["outcome"], "failed");
    let help = report["stages"]["sneaky"]["failure"]["help"].as_str().unwrap();
    assert!(help.contains("write `in: {NAME: {path: data/secret.txt}}`"), "{help}");
}

#[test]
fn an_undeclared_read_of_another_stages_output_names_the_wire_to_write() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  first: {uses: command, run: "echo 1 > ${out.x}", out: {x: out/first.txt}}
  sneaky: {uses: command, run: "echo; wc -l 'out/first.txt' > ${out.y}", in: {x: {path: data/a}}, out: {y: out/y}}
"#,
    );
    project.write("data/a", "");
    project.outcomes(&["first"]);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("`out/first.txt`: write `in: {NAME: first.x}`"), "{}", ran.stderr);
}

#[test]
fn a_command_that_fails_for_another_reason_gets_no_such_help() {
    let project = Project::with_pipeline(
        "pipeline: f\nstages:\n  bad: {uses: command, run: \"cat ${in.a}; exit 4\", in: {a: {path: data/a}}, out: {x: out/x}}\n",
    );
    project.write("data/a", "see data/a\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(!ran.stderr.contains("declared"), "{}", ran.stderr);
}

#[test]
fn an_output_that_was_not_written_is_named() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  lazy: {uses: command, run: "true", out: {x: out/x.txt}}
  wrong: {uses: command, run: "mkdir ${out.y}", out: {y: out/y.txt}}
"#,
    );
    let report = project.run_json(&[], 1);
    let message = |stage: &str| report["stages"][stage]["failure"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message("lazy"), "output `x` should be a file at out/x.txt, but nothing lies there");
    assert_eq!(message("wrong"), "output `y` should be a file at out/y.txt, but a directory lies there");
}

#[test]
fn a_command_sees_only_the_environment_it_declares() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  env: {uses: command, run: "env | cut -d= -f1 | sort > ${out.x}", env: [SEEN], out: {x: out/x.txt}}
"#,
    );
    let ran = project.command(&["run", "p.yaml"]).env("SEEN", "1").env("UNSEEN", "1").output().unwrap();
    assert!(ran.status.success());
    let names = project.read("out/x.txt");
    let names: Vec<_> = names.lines().collect();
    assert!(names.contains(&"SEEN") && names.contains(&"PATH") && names.contains(&"TMPDIR"), "{names:?}");
    assert!(!names.contains(&"UNSEEN"), "{names:?}");
}

#[test]
fn a_declared_variable_is_part_of_the_key() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  env: {uses: command, run: "echo $WHO > ${out.x}", env: [WHO], out: {x: out/x.txt}}
"#,
    );
    let run = |who: &str| {
        let ran = project.command(&["run", "p.yaml", "--json"]).env("WHO", who).output().unwrap();
        outcomes(&serde_json::from_slice(&ran.stdout).unwrap())["env"].clone()
    };
    assert_eq!((run("a"), run("a"), run("b"), run("a")), ("ran".into(), "hit".into(), "ran".into(), "restored".into()));
}

#[test]
fn a_special_file_as_output_is_refused() {
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  fifo: {uses: command, run: "mkfifo ${out.x}", out: {x: out/x}}
"#,
    );
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("a pipe lies there"), "{}", ran.stderr);
}
