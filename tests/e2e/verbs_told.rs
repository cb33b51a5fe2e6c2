//! The closing texts of a run and of `diff`, and the advice after a failure, are true of this project.

use crate::project::Project;

fn check_places(stages: &str, said: &str) {
    let project = Project::with_pipeline(&format!("pipeline: p\nstages:\n{stages}"));
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let last = ran.stderr.lines().chain(ran.stdout.lines()).find(|line| line.starts_with("p: ")).unwrap_or_default();
    let named = last.split_once("; outputs in ").map(|(_, places)| places).unwrap_or_default();
    assert_eq!(named, said, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_run_names_the_places_where_its_outputs_lie() {
    let stage = |name: &str, path: &str| {
        format!("  {name}: {{uses: command, run: \"echo {name} > ${{out.o}}\", out: {{o: {path}}}}}\n")
    };
    check_places(&stage("a", "results/one.txt"), "results/one.txt");
    check_places(&(stage("a", "results/x/one.txt") + &stage("b", "results/y/two.txt")), "results/");
    check_places(&(stage("a", "one.txt") + &stage("b", "deep/er/two.txt")), "deep/, one.txt");
    let many: String = ["e", "d", "c", "b", "a"].iter().map(|name| stage(name, &format!("{name}/o"))).collect();
    check_places(&many, "a/, b/, c/ and 2 more places");
    check_places("  a: {uses: command, run: \"true\"}\n", "");
}

fn pipeline(name: &str, word: &str) -> String {
    format!(
        "pipeline: {name}\nparams: {{word: {word}}}\nstages:\n  \
         say: {{uses: command, run: \"echo ${{params.word}} > ${{out.o}}\", out: {{o: out/{name}.txt}}}}\n"
    )
}

#[test]
fn diff_compares_runs_of_one_pipeline() {
    let project = Project::new();
    let run = |name: &str, word: &str| {
        project.write(&format!("{name}.yaml"), &pipeline(name, word));
        assert_eq!(project.pipe(&["run", &format!("{name}.yaml"), "-q"]).status, 0);
    };
    let alone = |project: &Project| project.pipe(&["diff"]);
    assert!(alone(&project).stderr.contains("nothing has run here yet"));
    run("one", "hello");
    let only = alone(&project);
    assert_eq!((only.status, only.stderr.contains("the only one of pipeline `one`")), (2, true), "{}", only.stderr);
    run("other", "x");
    run("one", "bye");
    let text = alone(&project).stdout;
    assert!(text.contains("  word: \"hello\" -> \"bye\"") && !text.contains("other"), "{text}");
    let text = project.pipe(&["diff", "last~2"]).stdout;
    assert!(text.contains("  word: \"hello\" -> \"bye\"") && !text.contains("other"), "{text}");
    let newest = project.pipe(&["diff", "last~1"]);
    assert_eq!((newest.status, newest.stderr.contains("the last one of pipeline `other`")), (2, true));
    let text = project.pipe(&["diff", "last~1", "last"]).stdout;
    assert!(text.contains("runs of different pipelines: `other` and `one`"), "{text}");
}

#[test]
fn an_output_of_the_other_form_says_what_to_write() {
    let check = |run: &str, out: &str, help: &str| {
        let stage = format!("pipeline: p\nstages:\n  a: {{uses: command, run: \"{run}\", out: {{o: {out}}}}}\n");
        let ran = Project::with_pipeline(&stage).pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(help), "{}", ran.stderr);
    };
    check("mkdir ${out.o}", "out/tree", "write `out: {o: {path: out/tree, type: dir}}`");
    check("echo > ${out.o}", "{path: out/file, type: dir}", "leave out `type: dir`");
    check("true", "out/nothing", "see its log");
}

#[test]
fn an_input_that_is_missing_names_the_stage_that_could_make_it() {
    let project = Project::with_pipeline(
        r#"pipeline: p
stages:
  make: {uses: command, run: "mkdir ${out.d}; echo > ${out.d}/a; echo > ${out.t}", out: {d: {path: out/d, type: dir}, t: out/t.csv}}
  whole: {uses: command, run: "true", in: {x: {path: data/t.csv}}}
  inner: {uses: command, run: "true", in: {y: {path: elsewhere/d}}}
  none: {uses: command, run: "true", in: {z: {path: nowhere}}}
"#,
    );
    for verb in ["run", "check"] {
        let told = project.pipe(&[verb, "p.yaml"]).stderr;
        for help in [
            "stage `make` gives out/t.csv: write `in: {x: make.t}`",
            "stage `make` gives out/d: write `in: {y: make.d}`",
        ] {
            assert!(told.contains(help), "{verb}: {help}: {told}");
        }
        assert!(!told.contains("write `in: {z: "), "{told}");
    }
}

#[test]
fn an_input_that_went_away_since_the_last_run_names_its_maker_too() {
    let stages = r#"pipeline: p
stages:
  make: {uses: command, run: "echo > ${out.t}", out: {t: out/t.csv}}
  use: {uses: command, run: "cat ${in.x} > ${out.o}", in: {x: {path: data/t.csv}}, out: {o: out/o}}
"#;
    let project = Project::with_pipeline(stages);
    project.write("data/t.csv", "1\n");
    project.outcomes(&[]);
    std::fs::remove_file(project.path("data/t.csv")).unwrap();
    let told = project.pipe(&["run", "p.yaml"]).stderr;
    assert!(told.contains("stage `make` gives out/t.csv: write `in: {x: make.t}`"), "{told}");
}
