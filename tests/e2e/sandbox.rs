//! Commands that run at the project root, `sandbox: false`.

use crate::project::{Project, expected};

const OPEN: &str = r#"pipeline: open
stages:
  words: {uses: command, run: "tr a-z A-Z < ${in.text} > ${out.o}", in: {text: {path: data/in.txt}}, out: {o: out/words.txt}}
  tool:
    uses: command
    run: "cat ${in.words} data/undeclared.txt > ${out.o}; pwd > ${out.where}"
    in: {words: words}
    out: {o: out/tool.txt, where: out/where.txt}
    sandbox: false
"#;

fn open() -> Project {
    let project = Project::with_pipeline(OPEN);
    project.write("data/in.txt", "hello\n");
    project.write("data/undeclared.txt", "seen\n");
    project
}

#[test]
fn it_sees_the_workspace_and_is_cached_like_any_other() {
    let project = open();
    assert_eq!(project.outcomes(&[]), expected(&[("words", "ran"), ("tool", "ran")]));
    assert_eq!(project.read("out/tool.txt"), "HELLO\nseen\n");
    assert_eq!(project.read("out/where.txt").trim(), project.root().canonicalize().unwrap().to_str().unwrap());
    assert_eq!(project.outcomes(&[]), expected(&[("words", "hit"), ("tool", "hit")]));
}

#[test]
fn writing_where_an_output_was_published_damages_nothing_in_the_store() {
    let project = open();
    project.outcomes(&[]);
    project.write("data/in.txt", "bye\n");
    assert_eq!(project.outcomes(&[]), expected(&[("words", "ran"), ("tool", "ran")]));
    assert_eq!(project.read("out/tool.txt"), "BYE\nseen\n");
    project.write("data/in.txt", "hello\n");
    assert_eq!(project.outcomes(&[]), expected(&[("words", "restored"), ("tool", "restored")]));
    assert_eq!(project.read("out/tool.txt"), "HELLO\nseen\n");
}

#[test]
fn a_file_of_the_users_in_its_way_is_kept_and_named() {
    let project = open();
    project.write("out/tool.txt", "mine\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let line = ran.stderr.lines().find(|line| line.contains("was moved to")).expect(&ran.stderr);
    assert_eq!(std::fs::read_to_string(project.root().join(line.rsplit(' ').next().unwrap())).unwrap(), "mine\n");
}

#[test]
fn an_input_that_it_changes_itself_keeps_its_result_out_of_the_store() {
    let project = Project::with_pipeline(
        r#"pipeline: open
stages:
  grows: {uses: command, run: "cp ${in.log} ${out.o}; echo more >> ${in.log}", in: {log: {path: data/log}}, out: {o: out/o}, sandbox: false}
"#,
    );
    project.write("data/log", "one\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 0 && ran.stderr.contains("not recorded"), "{}", ran.stderr);
    assert_eq!(project.read("out/o"), "one\n");
    project.write("data/log", "one\n");
    assert_eq!(project.outcomes(&[]), expected(&[("grows", "ran")]));
}
