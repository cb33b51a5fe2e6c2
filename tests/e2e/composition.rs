//! Pipelines of several files, matrices, ports that hold many, and params from files.

use crate::project::{Project, expected};

const PART: &str = r#"pipeline: part
params: {word: one, count: 1}
stages:
  say: {uses: command, run: "echo ${params.word} > ${out.o}", out: {o: "out/${params.word}.txt"}}
  twice: {uses: command, run: "cat ${in.x} ${in.x} > ${out.o}", in: {x: say}, out: {o: "out/${params.word}2.txt"}}
"#;

const WHOLE: &str = r#"pipeline: whole
params: {greeting: hello}
include:
  a: parts/part.yaml
  b: {file: parts/part.yaml, params: {word: "${params.greeting}"}}
stages:
  join: {uses: command, run: "cat ${in.x} ${in.y} > ${out.o}", in: {x: a/twice, y: b/say.o}, out: {o: out/join.txt}}
"#;

fn whole() -> Project {
    let project = Project::with_pipeline(WHOLE);
    project.write("parts/part.yaml", PART);
    project
}

#[test]
fn included_stages_run_under_their_prefix_and_their_params_can_be_set_three_ways() {
    let project = whole();
    let ran = project.outcomes(&[]);
    let names = [("a/say", "ran"), ("a/twice", "ran"), ("b/say", "ran"), ("b/twice", "ran"), ("join", "ran")];
    assert_eq!(ran, expected(&names));
    assert_eq!(project.read("out/join.txt"), "one\none\nhello\n");
    project.outcomes(&["-S", "a.word=three"]);
    assert_eq!(project.read("out/join.txt"), "three\nthree\nhello\n");
    project.write("set.yaml", "greeting: bye\na: {word: four}\n");
    project.outcomes(&["--params", "set.yaml", "-S", "b.word=five"]);
    assert_eq!(project.read("out/join.txt"), "four\nfour\nfive\n");
    assert_eq!(project.outcomes(&["a/say"]), expected(&[("a/say", "hit")]));
    assert_eq!(project.run_json(&["b/"], 0)["stages"].as_object().unwrap().len(), 2);
    // The part is a pipeline of its own.
    assert_eq!(project.pipe(&["check", "parts/part.yaml"]).status, 0);
}

#[test]
fn a_problem_in_an_included_file_stands_at_its_own_place() {
    let project = whole();
    project.write("parts/part.yaml", &PART.replace("cat ${in.x} ${in.x}", "cat ${in.z}"));
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("parts/part.yaml:5:"), "{}", ran.stderr);
    let wrong = project.pipe(&["run", "p.yaml", "-S", "a.wrd=x"]);
    assert!(wrong.stderr.contains("did you mean `word`?"), "{}", wrong.stderr);
}

#[test]
fn a_changed_file_that_is_included_is_seen() {
    let project = whole();
    project.outcomes(&[]);
    project.write("parts/part.yaml", &PART.replace("word: one", "word: uno"));
    let ran = project.outcomes(&[]);
    assert_eq!((ran["a/say"].as_str(), ran["b/say"].as_str()), ("ran", "hit"));
}

#[test]
fn params_from_a_file_must_exist_and_why_names_the_file() {
    let project = whole();
    project.outcomes(&[]);
    project.write("set.yaml", "greting: x\n");
    let ran = project.pipe(&["run", "p.yaml", "--params", "set.yaml"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("set.yaml:1:1") && ran.stderr.contains("did you mean `greeting`?"), "{}", ran.stderr);
    assert_eq!(project.pipe(&["run", "p.yaml", "--params", "none.yaml"]).status, 2);
}

const SWEEP: &str = r#"pipeline: sweep
params: {bases: [2, 3]}
stages:
  power:
    uses: command
    matrix: {base: "${params.bases}", scale: [1e0, x]}
    run: "echo ${matrix.base} ${matrix.scale} > ${out.o}"
    out: {o: "out/${matrix}.txt"}
  shown:
    uses: command
    matrix: {base: "${params.bases}", scale: [1e0, x]}
    run: "sed s/^/got:/ ${in.x} > ${out.o}"
    in: {x: "power[${matrix}]"}
    out: {o: "out/shown-${matrix}.txt"}
  all: {uses: command, run: "cat ${in.parts} > ${out.o}", in: {parts: shown}, out: {o: out/all.txt}}
  some: {uses: command, run: [cp, "${in.two}", "${out.o}/"], in: {two: ["power[base=2,scale=x]", {path: data/x.txt}]}, out: {o: {path: out/some, type: dir}}}
"#;

#[test]
fn a_matrix_is_an_instance_a_combination_and_is_gathered_in_order() {
    let project = Project::with_pipeline(&SWEEP.replace(
        "run: [cp, \"${in.two}\", \"${out.o}/\"]",
        "run: [sh, -c, 'mkdir -p out/some; cp \"$@\" out/some', cp, \"${in.two}\"]",
    ));
    project.write("data/x.txt", "x\n");
    let report = project.run_json(&[], 0);
    assert_eq!(report["stages"].as_object().unwrap().len(), 10);
    assert_eq!(project.read("out/all.txt"), "got:2 1e0\ngot:2 x\ngot:3 1e0\ngot:3 x\n");
    assert_eq!(project.read("out/some/base=2,scale=x.txt"), "2 x\n");
    assert_eq!(project.read("out/some/x.txt"), "x\n");
    // One value more: its instances and what gathers them, nothing else.
    project.write("p.yaml", &project.read("p.yaml").replace("bases: [2, 3]", "bases: [2, 3, 4]"));
    let ran = project.outcomes(&[]);
    let ran: Vec<_> = ran.iter().filter(|(_, outcome)| *outcome == "ran").map(|(name, _)| name.as_str()).collect();
    let more =
        ["all", "power[base=4,scale=1e0]", "power[base=4,scale=x]", "shown[base=4,scale=1e0]", "shown[base=4,scale=x]"];
    assert_eq!(ran, more);
    // A target may be an instance or all of them.
    assert_eq!(project.outcomes(&["shown[base=2,scale=x]"]).len(), 2);
    assert_eq!(project.outcomes(&["power"]).len(), 6);
    let wrong = project.pipe(&["run", "p.yaml", "power[base=9,scale=x]"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("did you mean `power[base="), "{}", wrong.stderr);
}
