//! The verbs, as typed.

use std::process::Command;

use serde_json::Value;

use crate::project::{Project, checkout};

const TWO: &str = r#"pipeline: two
params: {word: hello}
stages:
  say: {uses: command, run: "echo ${params.word} > ${out.text}", out: {text: out/say.txt}}
  count: {uses: command, run: "wc -c < ${in.text} > ${out.n}", in: {text: say}, out: {n: out/n.txt}}
"#;

fn json(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}{}", ran.stdout, ran.stderr))
}

#[test]
fn plan_says_what_would_run_and_executes_nothing() {
    let project = Project::with_pipeline(TWO);
    let plan = json(&project, &["plan", "p.yaml", "--json"]);
    assert_eq!(plan["stages"]["say"]["forecast"], "run");
    assert_eq!(plan["stages"]["count"]["forecast"], "unknown");
    assert_eq!(plan["stages"]["count"]["waits_for"][0], "say");
    assert!(!project.path("out").exists());
    project.outcomes(&[]);
    let plan = json(&project, &["plan", "p.yaml", "--json"]);
    assert_eq!(plan["stages"]["say"]["forecast"], "hit");
    assert_eq!(plan["stages"]["count"]["forecast"], "hit");
    let changed = project.pipe(&["plan", "p.yaml", "-S", "word=bye"]);
    assert!(changed.stdout.contains("run changed"), "{}", changed.stdout);
}

#[test]
fn why_names_field_values_and_place() {
    let project = Project::with_pipeline(TWO);
    project.outcomes(&[]);
    project.write("p.yaml", &TWO.replace("echo ${params.word}", "printf ${params.word}"));
    let ran = project.pipe(&["why", "say"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("run changed: echo hello > "), "{}", ran.stdout);
    assert!(ran.stdout.contains("p.yaml:4:"), "{}", ran.stdout);
    let why = json(&project, &["why", "say", "--json"]);
    assert_eq!(why["changes"][0]["field"], "run");
    assert_eq!(why["changes"][0]["at"]["line"], 4);
    let ran = project.pipe(&["why", "count"]);
    assert!(ran.stdout.contains("waits for `say`"), "{}", ran.stdout);
    let ran = project.pipe(&["why", "sey"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("did you mean `say`?"), "{}", ran.stderr);
}

#[test]
fn why_points_at_params_files_and_at_one_of_several_inputs() {
    let project = Project::with_pipeline(
        r#"pipeline: p
params: {word: hello}
stages:
  each: {uses: command, matrix: {n: [0.1, 0.2]}, run: "echo ${matrix.n} ${params.word} > ${out.o}", out: {o: "out/${matrix}"}}
  all:
    uses: command
    run: "cat ${in.parts} > ${out.o}"
    in: {parts: each}
    out: {o: out/all}
"#,
    );
    project.outcomes(&[]);
    project.write("set.yaml", "word: bye\n");
    let ran = project.pipe(&["why", "each[n=0.1]", "--params", "set.yaml"]);
    assert!(ran.stdout.contains("run changed: echo 0.1 hello > "), "{}{}", ran.stdout, ran.stderr);
    let ran = project.pipe(&["why", "each"]);
    assert_eq!(ran.status, 0);
    assert!(ran.stdout.contains("hit  each[n=0.1]\n"), "the instances are named: {}", ran.stdout);
    // With other words the instances give other outputs: the change names the instance, and where it is wired.
    assert_eq!(project.pipe(&["run", "p.yaml", "each", "-S", "word=bye", "-q"]).status, 0);
    let why = json(&project, &["why", "all", "-S", "word=bye", "--json"]);
    assert_eq!(why["changes"][0]["field"], "in.parts[n=0.1]", "{why}");
    assert_eq!(why["changes"][0]["at"]["line"], 8, "{why}");
}

#[test]
fn graph_is_mermaid_dot_or_json() {
    let project = Project::with_pipeline(TWO);
    let mermaid = project.pipe(&["graph", "p.yaml"]).stdout;
    assert!(mermaid.starts_with("graph LR\n") && mermaid.contains("s0 -->|text| s1"), "{mermaid}");
    let dot = project.pipe(&["graph", "p.yaml", "--format", "dot"]).stdout;
    assert!(dot.contains(r#""say" -> "count";"#), "{dot}");
    let graph = json(&project, &["graph", "p.yaml", "--json"]);
    assert_eq!(graph["stages"][1]["inputs"][0]["stage"], "say");
}

#[test]
fn stages_lists_kinds_and_shows_one() {
    let project = Project::new();
    let list = project.pipe(&["stages"]).stdout;
    for kind in [
        "ingest",
        "produce",
        "correlate",
        "verify",
        "transform",
        "tokenize",
        "train",
        "quantize",
        "export",
        "evaluate",
        "fetch",
    ] {
        assert!(list.contains(kind), "{kind}: {list}");
    }
    let train = project.pipe(&["stages", "train"]).stdout;
    assert!(train.contains("in   tokens") && train.contains("with seed: integer = "), "{train}");
    assert!(train.contains("with optimizer.lion.lr: number = 0.0002"), "{train}");
    let card = json(&project, &["stages", "train", "--json"]);
    assert_eq!(card["kind"], "train");
    let wrong = project.pipe(&["stages", "trian"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("did you mean `train`?"), "{}", wrong.stderr);
}

#[test]
fn every_problem_is_reported_at_once_with_place_and_suggestion() {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  a:\n    uses: produce\n    with: {sed: 1, hosts: many}\n  b: {uses: comand, run: \"true\"}\n",
    );
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 2);
    for text in ["p.yaml:5:", "did you mean `seed`?", "p.yaml:6:", "did you mean `command`?", "hosts"] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    let found = json(&project, &["check", "p.yaml", "--json"]);
    assert_eq!(found[0]["problems"].as_array().unwrap().len(), 3, "{found}");
    assert_eq!(found[0]["problems"][0]["line"], 5);
    assert!(!project.path("cache/work").exists());
}

#[test]
fn an_unknown_override_is_an_error_that_suggests() {
    let project = Project::with_pipeline(TWO);
    let ran = project.pipe(&["run", "p.yaml", "-S", "wrd=x"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("did you mean `word`?"), "{}", ran.stderr);
}

#[test]
fn needs_names_the_workers_of_a_pipeline() {
    let project = Project::with_pipeline(TWO);
    assert_eq!(project.pipe(&["plan", "p.yaml", "--needs"]).stdout, "");
    let full = checkout().join("pipelines/full.yaml");
    let mut command = project.command(&["plan", full.to_str().unwrap(), "--needs"]);
    let output = command.current_dir(checkout()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "pipe-data\npipe-torch\n");
}

#[test]
fn every_committed_pipeline_is_valid() {
    // A copy: outputs of runs in the checkout may belong to another user.
    let project = Project::new();
    let from = ["pipelines", "pipe.yaml"].map(|name| checkout().join(name));
    let copied = Command::new("cp").arg("-R").args(from).arg(project.root()).status().unwrap();
    assert!(copied.success());
    for entry in std::fs::read_dir(project.root().join("pipelines")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "yaml") {
            let ran = project.pipe(&["check", file.to_str().unwrap()]);
            assert_eq!(ran.status, 0, "{}", ran.stderr);
        }
    }
}

/// Runs two stages of which each waits until the other has started, so that with one job neither could end.
pub(crate) fn two_run_at_once(project: &Project, words: &[&str], variables: &[(&str, &str)]) {
    project.write(
        "pair.yaml",
        r#"pipeline: pair
stages:
  a: {uses: command, run: "echo a > $A; read x < $B; echo $x > ${out.x}", env: [A, B], out: {x: out/a}}
  b: {uses: command, run: "read x < $A; echo b > $B; echo $x > ${out.x}", env: [A, B], out: {x: out/b}}
  c: {uses: command, run: "echo > ${out.x}", out: {x: out/c}}
"#,
    );
    for name in ["A", "B"] {
        assert!(std::process::Command::new("mkfifo").arg(project.beside(name)).status().unwrap().success());
    }
    let mut command = project.command(&[&["run", "pair.yaml"], words].concat());
    let command = command.env("A", project.beside("A")).env("B", project.beside("B")).envs(variables.iter().copied());
    assert!(command.status().unwrap().success());
    assert_eq!((project.read("out/a"), project.read("out/b")), ("b\n".to_owned(), "a\n".to_owned()));
}

#[test]
fn jobs_decides_how_many_run_at_once() {
    two_run_at_once(&Project::new(), &["--jobs", "2"], &[]);
}

#[test]
fn help_has_examples_and_exit_codes() {
    let project = Project::new();
    let help = project.pipe(&["--help"]);
    assert_eq!(help.status, 0);
    assert!(help.stdout.contains("Examples:") && help.stdout.contains("Exit codes:"));
    assert!(project.pipe(&["run", "--help"]).stdout.contains("--jobs"));
}
