//! `pipe` within a stage of `pipe`: a command that would wait for itself says so, and everything else works.

use std::process::Command;

use crate::project::{Project, Ran, pipe};

/// Runs `pipe`, which must not hang.
fn bounded(project: &Project, words: &[&str]) -> Ran {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "120"]).arg(pipe()).args(words).current_dir(project.root()).env("NO_COLOR", "1");
    Ran::from(command.stdin(std::process::Stdio::null()).output().unwrap())
}

/// A pipeline whose one stage calls `pipe` at the project root and keeps its output.
fn calling(name: &str, words: &str) -> String {
    format!(
        r#"pipeline: {name}
stages:
  outer: {{uses: command, run: "{} {words} > ${{out.said}} 2>&1 && s=0 || s=$?; echo status=$s >> ${{out.said}}", out: {{said: out/{name}}}, sandbox: false}}
"#,
        pipe().display()
    )
}

#[test]
fn a_run_within_its_own_stage_fails_that_stage_instead_of_waiting_for_itself() {
    let project = Project::with_pipeline(&calling("p", "run p.yaml"));
    let ran = bounded(&project, &["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let said = project.read("out/p");
    assert!(said.contains("status=1") && said.contains("executes it just now"), "{said}");
    assert!(said.contains("take the call of `pipe` out of the stage"), "{said}");
}

#[test]
fn gc_within_a_stage_is_refused_and_a_look_is_not() {
    let project = Project::with_pipeline(&calling("p", "cache gc"));
    project.write("q.yaml", &calling("q", "cache gc --dry-run"));
    assert_eq!(bounded(&project, &["run", "p.yaml"]).status, 0);
    let said = project.read("out/p");
    assert!(said.contains("status=2") && said.contains("would wait for itself"), "{said}");
    assert_eq!(bounded(&project, &["run", "q.yaml"]).status, 0);
    assert!(project.read("out/q").contains("status=0"), "{}", project.read("out/q"));
    // Outside of it nothing is refused.
    assert_eq!(bounded(&project, &["cache", "gc"]).status, 0);
}

#[test]
fn a_run_that_comes_back_to_its_own_stage_by_way_of_another_store_is_found_out() {
    let project = Project::with_pipeline(&calling("p", "run q.yaml --store ../beside/other"));
    project.write("q.yaml", &calling("q", "run p.yaml --store cache"));
    let ran = bounded(&project, &["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(project.read("out/p").contains("status=0"), "{}", project.read("out/p"));
    let said = project.read("out/q");
    assert!(said.contains("status=1") && said.contains("executes it just now"), "{said}");
}

#[test]
fn another_pipeline_within_a_stage_runs_in_another_store_and_in_the_same() {
    let one = r#"pipeline: one
stages: {say: {uses: command, run: "echo said > ${out.o}", out: {o: out/say}}}
"#;
    for store in ["../beside/other", "cache"] {
        let project = Project::with_pipeline(&calling("p", &format!("run one.yaml --store {store}")));
        project.write("one.yaml", one);
        let ran = bounded(&project, &["run", "p.yaml"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(project.read("out/p").contains("status=0"), "{}", project.read("out/p"));
        assert_eq!(project.read("out/say"), "said\n");
    }
}
