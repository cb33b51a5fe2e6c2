//! `init` and `schema`, as typed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::project::{Project, Ran, checkout};

/// `pipe` with these words in a directory below the project.
fn pipe_in(project: &Project, directory: &str, words: &[&str]) -> Ran {
    Ran::from(project.command(words).current_dir(project.path(directory)).output().unwrap())
}

/// Every file below a directory, with its text.
fn files(directory: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn init_writes_a_project_that_works_at_once_and_a_second_one_changes_nothing() {
    let project = Project::new();
    let ran = project.pipe(&["init", "my demo"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("wrote     my demo/pipelines/hello.yaml\n"), "{}", ran.stdout);
    let next = ran.stdout.lines().last().unwrap().strip_prefix("next: ").unwrap();
    assert_eq!(next, "cd 'my demo' && pipe run pipelines/hello.yaml");
    let texts = || {
        let mut found = BTreeMap::new();
        files(&project.path("my demo"), &mut found);
        found
    };
    let before = texts();
    let again = pipe_in(&project, "my demo", &["init", "--json"]);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["next"], "pipe run pipelines/hello.yaml");
    let files = again["files"].as_array().unwrap();
    assert!(files.len() == 4 && files.iter().all(|file| file["done"] == "kept"), "{again}");
    assert_eq!(texts(), before);
    for words in [&["check", "pipelines/hello.yaml"], &["run", "pipelines/hello.yaml"]] {
        let ran = pipe_in(&project, "my demo", words);
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
    }
    let report = project.read("my demo/out/hello/report.txt");
    assert_eq!(report, "most of all:\n  cherries 54\n  plums 31\n  apples 12\nof 5 in all\n");
}

#[test]
fn init_keeps_what_is_there_and_adds_only_the_lines_that_gitignore_lacks() {
    let project = Project::new();
    project.write("pipelines/hello.yaml", "mine");
    project.write(".gitignore", "*.o\nout");
    let ran = project.pipe(&["init"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("pipe.yaml"), "# project root\n");
    assert_eq!(project.read("pipelines/hello.yaml"), "mine");
    assert_eq!(project.read(".gitignore"), "*.o\nout\n/cache/\n");
    for line in ["kept      pipe.yaml\n", "kept      pipelines/hello.yaml\n", "extended  .gitignore\n"] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    let ran = project.pipe(&["init", "pipe.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("pipe.yaml is not a directory"), "{}", ran.stderr);
}

#[test]
fn schema_prints_what_is_committed() {
    let project = Project::new();
    let rows: Value = serde_json::from_str(&project.pipe(&["schema", "--json"]).stdout).unwrap();
    let list = project.pipe(&["schema"]).stdout;
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "pipeline",
            "config",
            "card",
            "job",
            "worker-event",
            "backend-request",
            "backend-answer",
            "bundle",
            "run-event",
            "run-report",
            "plan-costs",
            "run-costs"
        ]
    );
    for name in names {
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {list}");
        let committed = std::fs::read_to_string(checkout().join(format!("schemas/{name}.json"))).unwrap();
        assert!(project.pipe(&["schema", name]).stdout == committed, "{name}");
    }
    assert_eq!(project.pipe(&["schema", "pipelin"]).status, 2);
}
