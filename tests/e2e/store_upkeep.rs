//! `pipe cache status`, `gc` and `pin`, and the pruning of old runs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, eventually, expected};

const PIPELINE: &str = r#"pipeline: p
params: {word: a}
stages:
  say: {uses: command, run: "echo ${params.word} > ${out.x}", out: {x: out/say}}
  twice: {uses: command, run: "cat ${in.x} ${in.x} > ${out.y}", in: {x: say}, out: {y: out/twice}}
"#;

fn json(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stdout))
}

fn gc(project: &Project, words: &[&str]) -> Value {
    json(project, &[&["cache", "gc", "--json"], words].concat())
}

fn removed(document: &Value) -> (u64, u64) {
    let count = |what: &str| document["removed"][what]["count"].as_u64().unwrap();
    (count("records"), count("objects"))
}

/// Three variants, the last of which is the pipeline's last result.
fn variants() -> Project {
    let project = Project::with_pipeline(PIPELINE);
    for word in ["a", "b", "c"] {
        project.outcomes(&["-S", &format!("word={word}")]);
    }
    project
}

#[test]
fn what_nothing_needs_goes_and_what_a_pipeline_came_to_last_stays() {
    let project = variants();
    assert_eq!(removed(&gc(&project, &[])), (0, 0), "all of it was used within the grace");
    assert_eq!(removed(&gc(&project, &["--grace", "0", "--dry-run"])), (4, 4));
    assert_eq!(json(&project, &["cache", "status", "--json"])["records"], 6, "nothing went yet");
    assert_eq!(removed(&gc(&project, &["--grace", "0"])), (4, 4));
    let status = json(&project, &["cache", "status", "--json"]);
    assert_eq!((&status["records"], &status["objects"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(project.outcomes(&["-S", "word=c"]), expected(&[("say", "hit"), ("twice", "hit")]));
    assert_eq!(project.outcomes(&["-S", "word=a"]), expected(&[("say", "ran"), ("twice", "ran")]));
    assert_eq!(project.read("out/twice"), "a\na\n");
}

#[test]
fn what_is_pinned_stays_until_it_is_not() {
    let project = Project::with_pipeline(PIPELINE);
    project.outcomes(&["-S", "word=pinned"]);
    assert_eq!(project.pipe(&["cache", "pin", "twice"]).status, 0);
    let run = json(&project, &["runs", "--json"])[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(project.pipe(&["cache", "pin", &run]).status, 0);
    project.outcomes(&["-S", "word=b"]);
    project.outcomes(&["-S", "word=c"]);
    assert_eq!(removed(&gc(&project, &["--grace", "0"])), (2, 2), "only those of b");
    let listed = project.pipe(&["cache", "pin"]).stdout;
    assert!(listed.contains("twice: action ") && listed.contains(&format!("{run}: 2 actions")), "{listed}");
    assert_eq!(project.pipe(&["cache", "pin", &run, "--remove"]).status, 0);
    // Its output is still an input of a pinned action, so that output stays and the record goes alone.
    assert_eq!(removed(&gc(&project, &["--grace", "0"])), (1, 0));
    // Not even for the size.
    let full = gc(&project, &["--grace", "0", "--max-size", "1B"]);
    assert_eq!((removed(&full), &full["over_size"]), ((2, 2), &Value::Bool(true)));
    assert_eq!(project.pipe(&["cache", "pin", "twice", "--remove"]).status, 0);
    assert_eq!(project.pipe(&["cache", "pin", "twice", "--remove"]).status, 2);
    let unknown = project.pipe(&["cache", "pin", "tvice"]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.stderr.contains("is no stage with a record, no run and no digest"), "{}", unknown.stderr);
}

#[test]
fn an_artifact_is_pinned_by_its_digest() {
    let project = variants();
    let digest = project.run_json(&["-S", "word=a"], 0)["stages"]["say"]["outputs"]["x"]["digest"].clone();
    let digest = digest.as_str().unwrap()[..12].to_owned();
    project.outcomes(&["-S", "word=c"]);
    assert_eq!(project.pipe(&["cache", "pin", &digest]).status, 0);
    assert_eq!(removed(&gc(&project, &["--grace", "0"])), (4, 3));
}

#[test]
fn for_a_size_what_was_used_longest_ago_goes_first() {
    let project = Project::with_pipeline(&PIPELINE.replace("echo ${params.word}", "printf '%4096s' ${params.word}"));
    for word in ["a", "b", "c"] {
        project.outcomes(&["-S", &format!("word={word}")]);
    }
    let document = gc(&project, &["--max-size", "13KiB"]);
    assert!(document["kept"]["bytes"].as_u64().unwrap() <= 13 << 10, "{document}");
    assert!(project.outcomes(&["-S", "word=c"]).values().all(|outcome| outcome == "hit"), "the last goes last");
    assert_eq!(project.pipe(&["cache", "gc", "--max-size", "much"]).status, 2);
}

#[test]
fn what_another_workspace_came_to_last_stays_while_it_exists() {
    let (one, two) = (Project::with_pipeline(PIPELINE), Project::with_pipeline(PIPELINE));
    two.write("pipe.yaml", &format!("store: {}\n", one.path("cache").display()));
    two.outcomes(&["-S", "word=two"]);
    one.outcomes(&["-S", "word=one"]);
    assert_eq!(removed(&gc(&one, &["--grace", "0"])), (0, 0));
    assert!(two.outcomes(&["-S", "word=two"]).values().all(|outcome| outcome == "hit"));
    one.outcomes(&["-S", "word=one"]);
    drop(two);
    assert_eq!(removed(&gc(&one, &["--grace", "0"])), (2, 2));
}

#[test]
fn a_collection_waits_for_the_run_that_uses_the_store() {
    let project = Project::with_pipeline(
        r#"pipeline: p
stages:
  first: {uses: command, run: "echo 1 > ${out.x}", out: {x: out/first}}
  waits: {uses: command, run: "read x < $GATE; cp ${in.x} ${out.y}", in: {x: first}, out: {y: out/waits}, env: [GATE]}
"#,
    );
    let gate = project.beside("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let mut run = project.command(&["run", "p.yaml"]);
    let mut run = run.env("GATE", &gate).stderr(Stdio::null()).spawn().unwrap();
    eventually("the first stage is done", || project.path("out/first").exists());
    let mut gc = project.command(&["cache", "gc", "--grace", "0"]);
    let mut gc = gc.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(gc.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "waiting for a run that uses the store to end\n");
    assert!(gc.try_wait().unwrap().is_none());
    std::fs::write(&gate, "go\n").unwrap();
    assert!(run.wait().unwrap().success());
    assert!(gc.wait().unwrap().success());
    assert_eq!(project.read("out/waits"), "1\n");
    let mut again = project.command(&["run", "p.yaml", "--json"]);
    let again = again.env("GATE", &gate).output().unwrap();
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(crate::project::outcomes(&report), expected(&[("first", "hit"), ("waits", "hit")]));
}

#[test]
fn files_of_the_users_go_only_when_that_is_asked_for() {
    let project = Project::with_pipeline(PIPELINE);
    project.write("out/say", "mine\n");
    project.outcomes(&[]);
    gc(&project, &["--grace", "0", "--max-size", "1B"]);
    let status = json(&project, &["cache", "status", "--json"]);
    assert_eq!(status["rooms"]["displaced"]["files"], 1);
    let document = gc(&project, &["--also", "displaced"]);
    assert_eq!(document["removed"]["displaced files"]["count"], 1);
    assert!(!project.path("cache/displaced").exists());
}

#[test]
fn old_runs_make_way_but_for_the_last_of_each_pipeline() {
    let project = Project::with_pipeline(PIPELINE);
    project.write("pipe.yaml", "runs: {keep: 2}\n");
    project.write("q.yaml", &PIPELINE.replace("pipeline: p", "pipeline: q"));
    assert_eq!(project.pipe(&["run", "q.yaml"]).status, 0);
    for word in ["a", "b", "c", "d"] {
        project.outcomes(&["-S", &format!("word={word}")]);
    }
    let runs = json(&project, &["runs", "--json"]);
    let pipelines: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["pipeline"].as_str().unwrap()).collect();
    assert_eq!(pipelines, ["p", "p", "q"]);
}

#[test]
fn status_tells_what_lies_where() {
    let project = variants();
    let status = project.pipe(&["cache", "status"]).stdout;
    assert!(status.contains("6 objects, 6 records, 3 runs, 0 pins"), "{status}");
    assert!(status.contains("files of yours that stood where outputs go"), "{status}");
    assert!(status.contains("0 B can go: 0 records and 0 objects"), "{status}");
    let empty = Project::new();
    assert_eq!(json(&empty, &["cache", "status", "--json"])["objects"], 0);
    assert!(!empty.path("cache").exists(), "looking leaves no trace");
}
