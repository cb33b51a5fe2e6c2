//! `plan` and `check` warn of files that a command names and does not declare.

use serde_json::Value;

use crate::project::Project;

const NAMES: &str = r##"pipeline: p
stages:
  make: {uses: command, run: "echo > ${out.t}", out: {t: out/t.csv}}
  script: {uses: command, run: "cat data/in.csv > ${out.o}", out: {o: out/o}}
  argv: {uses: command, run: [cat, ./list.txt]}
  fine: {uses: command, run: "cat list.txt ${in.d}/in.csv data", in: {l: {path: list.txt}, d: {path: data}}}
  # cat list.txt
  comment: {uses: command, run: "# see list.txt\necho data"}
  open: {uses: command, run: "cat data/in.csv", sandbox: false}
  each: {uses: command, matrix: {n: [1, 2]}, run: "cat list.txt; echo ${matrix.n}"}
"##;

fn project() -> Project {
    let project = Project::with_pipeline(NAMES);
    project.write("data/in.csv", "1\n");
    project.write("list.txt", "1\n");
    project
}

#[test]
fn plan_and_check_warn_of_what_a_command_names_and_does_not_declare() {
    let project = project();
    for verb in ["plan", "check"] {
        let ran = project.pipe(&[verb, "p.yaml"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let expected = [
            "warning: stage `script` names `data/in.csv`, which is in the project but none of its inputs: write `in: {NAME: {path: \
             data/in.csv}}`",
            "warning: stage `argv` names `list.txt`, which is in the project but none of its inputs: write `in: {NAME: {path: \
             list.txt}}`",
            "warning: stage `each` names `list.txt`, which is in the project but none of its inputs: write `in: {NAME: {path: \
             list.txt}}`",
        ];
        assert_eq!(ran.stderr.lines().collect::<Vec<_>>(), expected, "{verb}");
        let told: Value = serde_json::from_str(&project.pipe(&[verb, "p.yaml", "--json"]).stdout).unwrap();
        let warnings = if verb == "plan" { &told["warnings"] } else { &told[0]["warnings"] };
        assert_eq!(warnings.as_array().unwrap().len(), 3, "{told}");
        assert_eq!((&warnings[2]["path"], &warnings[2]["instances"]), (&"list.txt".into(), &2.into()), "{told}");
    }
}

#[test]
fn an_output_of_another_stage_is_declared_by_its_name() {
    let project = Project::with_pipeline(
        r#"pipeline: p
stages:
  make: {uses: command, run: "echo > ${out.t}", out: {t: out/t.csv}}
  use: {uses: command, run: "cat out/t.csv || true", in: {x: {path: p.yaml}}}
"#,
    );
    assert_eq!(project.pipe(&["plan", "p.yaml"]).stderr, "", "nothing lies there yet");
    project.outcomes(&[]);
    let warned = project.pipe(&["plan", "p.yaml"]).stderr;
    assert!(
        warned.contains("stage `use` names `out/t.csv`") && warned.contains("write `in: {NAME: make.t}`"),
        "{warned}"
    );
}

#[test]
fn many_warnings_fit() {
    let stages: String = (0..30).map(|n| format!("  s{n}: {{uses: command, run: \"cat a/{n}\"}}\n")).collect();
    let project = Project::with_pipeline(&format!("pipeline: p\nstages:\n{stages}"));
    (0..30).for_each(|n| project.write(&format!("a/{n}"), ""));
    let warned = project.pipe(&["check", "p.yaml"]).stderr;
    assert_eq!(warned.lines().count(), 11, "{warned}");
    assert!(warned.ends_with("warning: 20 more like these; --json names each\n"), "{warned}");
}
