//! Secrets that a service keeps: read where the stage runs, and found nowhere else.

use std::process::Command;

use crate::loopback::{LOOPBACK, PROGRAM, launches, project_on, there};
use crate::project::Project;

const VALUE: &str = "hunter2-from-a-service";

const PIPELINE: &str = r#"pipeline: s
secrets: {hf: {ssm: /pipe/hf}}
stages:
  login:
    uses: command
    run: "echo in $TOKEN; cat $KEY; printf %s \"$TOKEN\" | cmp - $KEY; printf %s \"$TOKEN\" | wc -c > ${out.o}"
    secrets: {TOKEN: hf, KEY: {use: hf, as: file}}
    out: {o: out/o}
    backend: gpu
"#;

/// A project with a backend program, which reads secrets where `kept` names some.
fn project(kept: Option<&str>) -> Project {
    let project = project_on(PROGRAM);
    std::fs::create_dir_all(there(&project)).unwrap();
    if let Some(kept) = kept {
        std::fs::write(there(&project).join("state.secrets"), kept).unwrap();
    }
    project.write("p.yaml", PIPELINE);
    project
}

fn of_value() -> String {
    format!("{{\"/pipe/hf\": \"{VALUE}\"}}")
}

#[test]
fn a_secret_of_a_service_reaches_the_stage_there_and_here_and_nothing_that_is_kept() {
    let project = project(Some(&of_value()));
    project.run_json(&[], 0);
    assert_eq!(project.read("out/o").trim(), VALUE.len().to_string());
    assert_eq!(project.pipe(&["logs", "login"]).stdout, "in ***\n***");
    assert_eq!(launches(&project).len(), 1);
    // Here the program of `remote` reads it.
    let settings = project.read("pipe.yaml");
    let remote = format!("remote: {{url: 'files://{}'}}\n{settings}", there(&project).join("state").display());
    project.write("pipe.yaml", &remote);
    project.run_json(&["--backend", "gpu=local", "--refresh", "login"], 0);
    assert_eq!(project.read("out/o").trim(), VALUE.len().to_string());
    assert_eq!(launches(&project).len(), 1);
    let root = project.root().parent().unwrap();
    let found = Command::new("grep").args(["-rl", VALUE, "."]).current_dir(root).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "./there/state.secrets\n");
}

#[test]
fn a_secret_that_the_service_does_not_give_fails_the_stage_with_its_words() {
    let project = project(Some("{}"));
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the secret `hf` cannot be read: the parameter /pipe/hf is not there"),
        "{}",
        ran.stderr
    );
}

#[test]
fn nothing_is_launched_where_the_program_reads_no_secrets() {
    let project = project(None);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("nobody on `gpu` can read the secret `hf`"), "{}", ran.stderr);
    assert_eq!(launches(&project), Vec::<String>::new());
}

#[test]
fn a_place_without_a_program_is_refused_before_anything_runs() {
    let project = project_on(LOOPBACK);
    project.write("p.yaml", PIPELINE);
    for words in [["check", "p.yaml"].as_slice(), &["run", "p.yaml", "--backend", "gpu=local"]] {
        let ran = project.pipe(words);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("unreadable-secret") && ran.stderr.contains("p.yaml:7"), "{}", ran.stderr);
    }
}
