//! `show`, `logs`, `get`, `why` and `cache pin` of a matrix by its name.

use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, eventually};

const EACH: &str = r#"pipeline: p
params: {word: hello}
stages:
  each:
    uses: command
    matrix: {n: [0.1, 2]}
    run: "echo I am ${matrix.n}; echo ${matrix.n} ${params.word} > ${out.o}; echo > ${out.p}"
    out: {o: "out/${matrix}/o.txt", p: "out/${matrix}/p.txt"}
"#;

fn document(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    assert_eq!(ran.status, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", ran.stdout))
}

fn ran() -> Project {
    let project = Project::with_pipeline(EACH);
    project.outcomes(&[]);
    project
}

#[test]
fn show_lists_the_instances() {
    let project = ran();
    let text = project.pipe(&["show", "each"]).stdout;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("each  2 instances  run "), "{text}");
    for (line, name) in lines[1..].iter().zip(["each[n=0.1]", "each[n=2]"]) {
        assert!(line.starts_with(&format!("        ran  {name}  key ")) && line.contains(", took "), "{text}");
    }
    let told = document(&project, &["show", "each", "--json"]);
    assert_eq!(told["instances"][1]["stage"], "each[n=2]");
    assert_eq!(told["instances"][1]["outputs"]["o"]["path"], "out/n=2/o.txt", "{told}");
    let one = document(&project, &["show", "each[n=0.1]", "--json"]);
    assert_eq!(one, told["instances"][0]);
    assert!(project.pipe(&["show", "eac"]).stderr.contains("no stage `eac`"));
}

#[test]
fn logs_prints_the_log_of_each_instance() {
    let project = ran();
    let expected = "==> each[n=0.1] <==\nI am 0.1\n==> each[n=2] <==\nI am 2\n";
    assert_eq!(project.pipe(&["logs", "each"]).stdout, expected);
    project.outcomes(&[]);
    assert_eq!(project.pipe(&["logs", "each"]).stdout, expected, "those of the run that made them");
    let told = document(&project, &["logs", "each", "--json"]);
    assert_eq!(told["instances"][1]["text"], "I am 2\n", "{told}");
    let silent = Project::with_pipeline(
        r#"pipeline: p
stages:
  each: {uses: command, matrix: {n: [1, 2]}, run: "test ${matrix.n} = 1 || echo two"}
"#,
    );
    silent.outcomes(&[]);
    let logs = silent.pipe(&["logs", "each"]);
    assert_eq!((&*logs.stdout, &*logs.stderr), ("==> each[n=2] <==\ntwo\n", "1 of 2 instances wrote nothing\n"));
}

#[test]
fn logs_of_a_run_that_goes_on_knows_the_instances_too() {
    let project = Project::with_pipeline(
        r#"pipeline: p
stages:
  each: {uses: command, matrix: {n: [1, 2]}, run: "echo I am ${matrix.n}; read word < $FIFO", env: [FIFO]}
"#,
    );
    let fifo = project.beside("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = project.command(&["run", "p.yaml"]);
    let mut running = command.env("FIFO", &fifo).stderr(Stdio::null()).spawn().unwrap();
    eventually("an instance speaks", || project.pipe(&["logs", "each"]).stdout.contains("I am "));
    let follow = project.pipe(&["logs", "each", "--follow"]);
    assert_eq!(follow.status, 2);
    assert!(follow.stderr.contains("one instance can be followed"), "{}", follow.stderr);
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn get_copies_every_instance_into_a_directory_of_its_own() {
    let project = ran();
    assert_eq!(project.pipe(&["get", "each", "results"]).status, 0);
    assert_eq!(project.read("results/each[n=0.1]/o.txt"), "0.1 hello\n");
    assert_eq!(project.read("results/each[n=2]/o.txt"), "2 hello\n");
    assert!(project.path("results/each[n=2]/p.txt").exists());
    let again = project.pipe(&["get", "each", "results"]);
    assert_eq!((again.status, again.stderr.contains("is there already")), (2, true), "{}", again.stderr);
    let told = document(&project, &["get", "each.o", "only", "--json"]);
    assert_eq!(told["instances"][0]["copied"].as_array().unwrap().len(), 1, "{told}");
    assert!(project.path("only/each[n=2]/o.txt").exists() && !project.path("only/each[n=2]/p.txt").exists());
    assert!(project.pipe(&["get", "each.q", "x"]).stderr.contains("has no output `q`"));
    assert_eq!(project.pipe(&["get", "each[n=0.1].o", "one.txt"]).status, 0);
    assert_eq!(project.read("one.txt"), "0.1 hello\n");
}

#[test]
fn pin_holds_every_instance() {
    let project = ran();
    let said = project.pipe(&["cache", "pin", "each"]);
    assert_eq!((said.status, said.stdout.as_str()), (0, "pinned each: 2 actions\n"), "{}", said.stderr);
    let one = document(&project, &["cache", "pin", "each[n=2]", "--json"]);
    assert_eq!(one["keys"].as_array().unwrap().len(), 1, "{one}");
}

#[test]
fn why_tells_each_instance_in_a_line() {
    let project = ran();
    let why = project.pipe(&["why", "each", "-S", "word=bye"]).stdout;
    let lines: Vec<_> = why.lines().collect();
    assert_eq!(lines.len(), 3, "{why}");
    assert!(lines[1].starts_with("    run  each[n=2]  run changed, took "), "{why}");
    assert_eq!(lines[2], "next: pipe why 'each[n=0.1]'", "{why}");
    let told = document(&project, &["why", "each", "-S", "word=bye", "--json"]);
    assert_eq!(told["instances"][1]["changes"][0]["field"], "run", "{told}");
    // The stage that gathers them names them in one word.
    project.write("p.yaml", &format!("{EACH}  all: {{uses: command, run: \"true\", in: {{parts: each.o}}}}\n"));
    project.outcomes(&[]);
    let why = project.pipe(&["why", "all", "-S", "word=bye"]).stdout;
    assert_eq!(
        why,
        "all waits for `each`: it runs again unless they give what they gave before\nnext: pipe why each\n"
    );
}
