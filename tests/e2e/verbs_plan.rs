//! `plan` and `why` name all there is, and fit on a screen.

use serde_json::{Value, json};

use crate::project::Project;

fn document(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    assert_eq!(ran.status, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", ran.stdout))
}

const THREE: &str = r#"pipeline: three
params: {word: hello, end: "."}
stages:
  say: {uses: command, run: "echo ${params.word} > ${out.text}", out: {text: out/say.txt}}
  count: {uses: command, run: "cat ${in.text} > ${out.n}; echo '${params.end}'", in: {text: say}, out: {n: out/n.txt}}
  other: {uses: command, run: "cat ${in.a} ${in.b} > ${out.o}", in: {a: {path: a}, b: {path: b}}, out: {o: out/o}}
"#;

fn three() -> Project {
    let project = Project::with_pipeline(THREE);
    project.write("a", "a");
    project.write("b", "b");
    project
}

#[test]
fn plan_ends_with_totals_time_and_what_params_changed() {
    let project = three();
    let plan = project.pipe(&["plan", "p.yaml"]).stdout;
    let last = plan.lines().last().unwrap();
    assert_eq!(last, "3 would run; how long it takes is unknown: none of them ran before", "{plan}");
    project.outcomes(&[]);
    let plan = project.pipe(&["plan", "p.yaml"]).stdout;
    assert_eq!(plan.lines().last(), Some("3 up to date"), "{plan}");

    let words = ["plan", "p.yaml", "-S", "word=bye", "-S", "end=x"];
    let plan = project.pipe(&words).stdout;
    assert!(plan.contains("2 would run, 1 up to date; expected time ") || plan.contains("unknown yet"), "{plan}");
    assert!(plan.contains("param word changed since the last run: \"hello\" -> \"bye\""), "{plan}");
    assert!(plan.contains("param end changed since the last run: \".\" -> \"x\""), "{plan}");
    let told = document(&project, &[&words[..], &["--json"]].concat());
    assert_eq!(told["totals"]["hit"], 1, "{told}");
    assert_eq!(told["changed_params"][1], json!({"name": "word", "before": "hello", "now": "bye"}), "{told}");
    assert!(told["expected_seconds"].is_number(), "{told}");
}

#[test]
fn a_stage_that_waits_names_what_of_its_own_changed() {
    let project = three();
    project.outcomes(&[]);
    let words = ["-S", "word=bye", "-S", "end=x"];
    let why = project.pipe(&[&["why", "count"], &words[..]].concat()).stdout;
    assert!(why.contains("waits for `say`; besides, since its last execution\n  run changed: "), "{why}");
    assert!(why.contains("next: pipe why say"), "{why}");
    let told = document(&project, &[&["why", "count", "--json"], &words[..]].concat());
    assert_eq!((&told["changes"][0]["field"], &told["changes"][1]), (&json!("run"), &Value::Null), "{told}");
    let plan = document(&project, &[&["plan", "p.yaml", "--json"], &words[..]].concat());
    assert_eq!(plan["stages"]["count"]["changes"][0]["field"], "run", "{plan}");
    // Params and inputs at once.
    project.write("a", "other");
    project.write("b", "another");
    project.write("p.yaml", &THREE.replace("cat ${in.a}", "cat -u ${in.a}"));
    let told = document(&project, &["why", "other", "--json"]);
    let fields: Vec<_> = told["changes"].as_array().unwrap().iter().map(|change| change["field"].clone()).collect();
    assert_eq!(fields, ["in.a", "in.b", "run"], "{told}");
    let why = project.pipe(&["why", "other"]).stdout;
    for field in ["in.a changed: ", "in.b changed: ", "run changed: "] {
        assert!(why.contains(field), "{why}");
    }
}

#[test]
fn a_script_that_changed_is_told_by_its_lines() {
    let script = |middle: &str| {
        let lines = ["echo one", "echo two", "echo three", middle, "echo five", "echo > ${out.o}"];
        let lines: String = lines.iter().map(|line| format!("      {line}\n")).collect();
        format!("pipeline: p\nstages:\n  s:\n    uses: command\n    out: {{o: out/o}}\n    run: |\n{lines}")
    };
    let project = Project::with_pipeline(&script("echo four"));
    project.outcomes(&[]);
    project.write("p.yaml", &script("echo vier"));
    let why = project.pipe(&["why", "s"]).stdout;
    assert!(why.contains("run changed:  p.yaml:6:"), "{why}");
    let told = "    ...\n      echo two\n      echo three\n    - echo four\n    + echo vier\n      echo five\n";
    assert!(why.contains(&format!("\n  {}", told.trim_start_matches("  "))) || why.contains(told), "{why}");
    assert!(!why.contains("echo one"), "{why}");
    project.outcomes(&[]);
    let diff = project.pipe(&["diff"]).stdout;
    assert!(diff.contains("- echo four\n") && diff.contains("+ echo vier\n") && !diff.contains("echo one"), "{diff}");
}

fn check_short(yaml: &str, says: &[&str]) {
    let project = Project::with_pipeline(yaml);
    let plan = project.pipe(&["plan", "p.yaml"]);
    assert_eq!(plan.status, 0, "{}", plan.stderr);
    assert!(plan.stdout.lines().count() <= 40, "{} lines: {}", plan.stdout.lines().count(), plan.stdout);
    for text in says {
        assert!(plan.stdout.contains(text), "{text}: {}", plan.stdout);
    }
    let told = document(&project, &["plan", "p.yaml", "--json"]);
    let run = told["totals"]["run"].as_u64().unwrap();
    assert!(plan.stdout.contains(&format!("{run} would run")), "{}", plan.stdout);
    assert_eq!(told["stages"].as_object().unwrap().len() as u64, run, "unfolded");
}

#[test]
fn a_plan_of_a_thousand_stages_fits_on_a_screen() {
    let numbers: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    let matrix = format!(
        "pipeline: p\nstages:\n  each: {{uses: command, matrix: {{n: [{}]}}, run: \"true\", out: {{o: \"out/${{matrix}}\"}}}}\n  \
         all: {{uses: command, run: \"true\", in: {{parts: each}}}}\n",
        numbers.join(", ")
    );
    check_short(&matrix, &["each: 1000 instances", "all  after each", "1001 would run"]);
    let many: String = (0..1001).map(|n| format!("  s{n}: {{uses: command, run: \"echo {n}\"}}\n")).collect();
    check_short(&format!("pipeline: p\nstages:\n{many}"), &["  s0  ", "973 more stages; --json names each"]);
}

#[test]
fn hits_of_a_large_plan_are_counted() {
    let many: String = (0..21)
        .map(|n| format!("  s{n}: {{uses: command, run: \"echo {n} > ${{out.o}}\", out: {{o: out/{n}}}}}\n"))
        .collect();
    let project = Project::with_pipeline(&format!("pipeline: p\nstages:\n{many}"));
    project.outcomes(&[]);
    assert_eq!(project.pipe(&["plan", "p.yaml"]).stdout, "    hit  21 stages\n21 up to date\n");
    project.write("p.yaml", &format!("pipeline: p\nstages:\n{}", many.replace("echo 7 ", "echo seven ")));
    let plan = project.pipe(&["plan", "p.yaml"]).stdout;
    assert!(plan.starts_with("    hit  20 stages\n    run  s7  run changed, took "), "{plan}");
    assert!(plan.contains("\n1 would run, 20 up to date; expected time "), "{plan}");
}
