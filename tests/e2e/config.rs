//! `pipe.yaml`, the variables and the flags, as a user meets them.

use serde_json::Value;

use crate::command_line::two_run_at_once;
use crate::project::{Project, expected, outcomes};

const GPU: &str = r#"pipeline: p
stages:
  a: {uses: command, run: "echo a > ${out.x}", out: {x: out/a}, backend: gpu}
"#;

fn settings(project: &Project, variables: &[(&str, &str)], words: &[&str]) -> Value {
    let output =
        project.command(&[&["config", "--json"], words].concat()).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["settings"].take()
}

#[test]
fn config_prints_each_value_and_where_it_came_from() {
    let project = Project::new();
    project.write("pipe.yaml", "# settings\nstore: kept\ngovernor:\n  jobs: 2\nbackends: {gpu: local}\n");
    let text = project.pipe(&["config"]).stdout;
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {text}"));
    assert!(line("store").contains("/kept ") && line("store").ends_with("(pipe.yaml:2)"), "{text}");
    assert!(line("governor.jobs").ends_with("(pipe.yaml:4)"), "{text}");
    assert!(line("backends.gpu").contains("local") && line("backends.gpu").ends_with("(pipe.yaml:5)"), "{text}");
    assert!(line("verify").contains("seal") && line("verify").ends_with("(default)"), "{text}");

    let settings = settings(&project, &[("PIPE_JOBS", "3"), ("PIPE_STORE", "other")], &["--store", "third"]);
    assert_eq!(
        settings["governor.jobs"],
        serde_json::json!({"from": "environment", "variable": "PIPE_JOBS", "value": 3})
    );
    assert_eq!(settings["store"]["flag"], "--store");
    assert!(settings["store"]["value"].as_str().unwrap().ends_with("/third"));
}

#[test]
fn the_store_lies_where_file_variable_or_flag_say() {
    let project = Project::with_pipeline(&GPU.replace("gpu", "local"));
    project.write("pipe.yaml", "store: by-file\n");
    assert_eq!(project.outcomes(&[]), expected(&[("a", "ran")]));
    assert!(project.path("by-file/records").is_dir() && !project.path("cache").exists());
    assert_eq!(project.outcomes(&["--store", "by-flag"]), expected(&[("a", "ran")]));
    let output = project.command(&["run", "p.yaml", "--json"]).env("PIPE_STORE", "by-flag").output().unwrap();
    assert_eq!(outcomes(&serde_json::from_slice(&output.stdout).unwrap()), expected(&[("a", "hit")]));
}

#[test]
fn a_stage_runs_on_a_backend_that_the_file_names_and_a_flag_redirects() {
    let project = Project::with_pipeline(GPU);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("there is no backend `gpu`") && ran.stderr.contains("pipe.yaml"), "{}", ran.stderr);
    project.write("pipe.yaml", "backends: {gpu: {local: {}}, spare: local}\n");
    assert_eq!(project.outcomes(&[]), expected(&[("a", "ran")]));
    // Where it runs is not part of the key.
    assert_eq!(project.outcomes(&["--backend", "gpu=spare"]), expected(&[("a", "hit")]));
    let wrong = project.pipe(&["run", "p.yaml", "--backend", "gpu=spar"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("did you mean `spare`?"), "{}", wrong.stderr);
}

#[test]
fn jobs_come_from_the_file_and_the_environment() {
    let project = Project::new();
    project.write("pipe.yaml", "governor: {jobs: 1}\n");
    two_run_at_once(&project, &[], &[("PIPE_JOBS", "2")]);
    let project = Project::new();
    project.write("pipe.yaml", "governor: {jobs: 2}\n");
    two_run_at_once(&project, &[], &[]);
}

#[test]
fn problems_of_the_file_are_told_at_once_before_anything_runs() {
    let project = Project::with_pipeline(GPU);
    project.write("pipe.yaml", "stor: x\nverify: never\nstore: y\nstore: z\n");
    for verb in [&["run", "p.yaml"] as &[&str], &["config"], &["check", "p.yaml"]] {
        let ran = project.pipe(verb);
        assert_eq!(ran.status, 2, "{verb:?}");
        for words in ["pipe.yaml:1:", "did you mean `store`?", "pipe.yaml:2:", "pipe.yaml:4:"] {
            assert!(ran.stderr.contains(words), "{verb:?} {words}: {}", ran.stderr);
        }
    }
    let found: Value = serde_json::from_str(&project.pipe(&["config", "--json"]).stdout).unwrap();
    assert_eq!(found["problems"][0]["line"], 1);
    assert!(!project.path("cache").exists());
}
