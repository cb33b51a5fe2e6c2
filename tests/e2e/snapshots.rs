//! A kept plan is believed while its sources stand, and no longer.

use crate::project::Project;

const READS: &str = r#"pipeline: s
params: {word: a}
stages:
  copy:
    uses: command
    run: "echo $WHO ${params.word} | cat - ${in.text} > ${out.text}"
    in: {text: {path: data/in.txt}}
    out: {text: out/copy.txt}
    env: [WHO]
"#;

fn project() -> Project {
    let project = Project::with_pipeline(READS);
    project.write("data/in.txt", "text\n");
    project
}

fn copied(project: &Project, who: &str, words: &[&str]) -> String {
    let mut command = project.command(&[&["run", "p.yaml"], words].concat());
    let ran = command.env("WHO", who).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    project.read("out/copy.txt")
}

fn kept(project: &Project) -> usize {
    std::fs::read_dir(project.path("cache/plans")).unwrap().count()
}

#[test]
fn what_a_plan_was_made_from_decides_whether_it_is_used() {
    let project = project();
    assert_eq!(copied(&project, "me", &[]), "me a\ntext\n");
    assert_eq!(copied(&project, "me", &[]), "me a\ntext\n");
    assert_eq!(kept(&project), 1);
    assert_eq!(copied(&project, "you", &[]), "you a\ntext\n", "a variable that was looked at");
    assert_eq!(copied(&project, "you", &["-S", "word=b"]), "you b\ntext\n", "an override");
    project.write("p.yaml", &READS.replace("word: a", "word: c"));
    assert_eq!(copied(&project, "you", &[]), "you c\ntext\n", "the file");
}

#[test]
fn an_input_that_is_gone_is_a_problem_at_its_place_also_when_the_plan_was_kept() {
    let project = project();
    copied(&project, "me", &[]);
    std::fs::rename(project.path("data/in.txt"), project.path("data/in.text")).unwrap();
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("p.yaml:7:") && ran.stderr.contains("did you mean"), "{}", ran.stderr);
}

#[test]
fn a_damaged_snapshot_is_none() {
    let project = project();
    copied(&project, "me", &[]);
    for entry in std::fs::read_dir(project.path("cache/plans")).unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    assert_eq!(copied(&project, "me", &[]), "me a\ntext\n");
}
