//! Words of other tools: who writes one is told ours.

use crate::project::Project;

fn help(yaml: &str) -> String {
    let ran = Project::with_pipeline(yaml).pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("unknown-key"), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn a_word_of_a_stage_is_answered_with_ours() {
    for (word, ours) in [
        ("cmd", "write `run: TEXT`"),
        ("command", "write `run: TEXT`"),
        ("script", "write `run: TEXT`"),
        ("deps", "write `in: {NAME: {path: data/file}}`"),
        ("input", "write `in: {NAME:"),
        ("needs", "a stage waits for what it reads: write `in: {NAME: STAGE.PORT}`"),
        ("depends_on", "a stage waits for what it reads"),
        ("outs", "write `out: {NAME: out/file}`"),
        ("output", "write `out: {NAME: out/file}`"),
        ("metrics", "type: metrics}}`"),
        ("params", "the params of a kind are `with`; a command reads those of the file"),
        ("directory", "with `sandbox: false` at the project root"),
        ("wdir", "with `sandbox: false` at the project root"),
        ("threads", "write `resources:"),
        ("foreach", "write `matrix:"),
        ("Cmd", "write `run: TEXT`"),
    ] {
        let yaml = format!("pipeline: p\nstages:\n  s:\n    uses: command\n    run: \"true\"\n    {word}: x\n");
        let said = help(&yaml);
        assert!(said.contains("p.yaml:6:5") && said.contains(ours), "{word}: {said}");
    }
}

#[test]
fn a_word_of_a_file_is_answered_with_ours_and_a_slip_as_before() {
    for (word, ours) in [
        ("steps", "write `stages: {NAME:"),
        ("jobs", "write `stages: {NAME:"),
        ("vars", "write `params: {NAME: value}`"),
        ("stags", "did you mean `stages`?"),
        ("outt", "there is `pipeline`, `params`"),
    ] {
        let yaml = format!("pipeline: p\n{word}: {{}}\nstages:\n  s: {{uses: command, run: \"true\"}}\n");
        let said = help(&yaml);
        assert!(said.contains(ours), "{word}: {said}");
    }
    let said = help("pipeline: p\nstages:\n  s: {uses: command, run: \"true\", outt: {}}\n");
    assert!(said.contains("did you mean `out`?"), "{said}");
}
