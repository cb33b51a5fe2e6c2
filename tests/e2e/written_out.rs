//! A failure to write to standard output is reported, and the report of a failure fits on a screen.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::project::{Project, Ran};

const PIPELINE: &str =
    "pipeline: p\nstages:\n  s: {uses: command, run: \"echo said; true > ${out.o}\", out: {o: out/o}}\n";

/// `pipe` with its standard output on a full device.
fn full(project: &Project, words: &[&str]) -> Ran {
    let device = OpenOptions::new().write(true).open("/dev/full").unwrap();
    Ran::from(project.command(words).stdout(device).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap())
}

#[test]
fn a_full_device_is_an_error_of_every_verb() {
    let project = Project::with_pipeline(PIPELINE);
    project.run_json(&[], 0);
    for words in [
        &["plan", "p.yaml"][..],
        &["why", "s"],
        &["check", "p.yaml"],
        &["graph", "p.yaml"],
        &["stages"],
        &["logs", "s"],
        &["show", "s"],
        &["runs"],
        &["diff", "last", "last"],
        &["config"],
        &["cache", "status"],
        &["schema"],
        &["schema", "pipeline"],
        &["init", "new"],
        &["completions", "bash"],
        &["run", "p.yaml", "--json"],
        &["run", "p.yaml", "--events", "-"],
        &["--help"],
        &["plan", "--help"],
        &["--version"],
    ] {
        let ran = full(&project, words);
        assert_eq!(ran.status, 3, "{words:?}: {}", ran.stderr);
        let said = "error: cannot write to standard output: No space left on device";
        assert_eq!(ran.stderr.matches(said).count(), 1, "{words:?}: {}", ran.stderr);
    }
    // A code that says more stays.
    assert_eq!(full(&project, &["check", "absent.yaml", "--json"]).status, 2);
}

#[test]
fn a_reader_that_left_is_no_error() {
    let project = Project::with_pipeline(PIPELINE);
    project.run_json(&[], 0);
    for words in [&["plan", "p.yaml"][..], &["schema", "pipeline"], &["logs", "s"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Ran::from(project.command(words).stdout(writer).stderr(Stdio::piped()).output().unwrap());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
    }
}

#[test]
fn long_lines_of_a_failed_stage_are_cut_in_the_middle_with_a_mark() {
    let one = "printf 'begin %0100000d end\\n' 0";
    let many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do printf 'begin %0500d end\\n' $i; done";
    for (script, begins) in [(one, 0), (many, 12)] {
        let project = Project::with_pipeline(&format!(
            "pipeline: p\nstages:\n  s:\n    uses: command\n    run: |\n      {script}\n      exit 3\n    out: {{o: out/o}}\n"
        ));
        let ran = project.pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        let shown: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(" | ")).collect();
        assert!(!shown.is_empty() && shown.len() <= 24, "{}", ran.stderr);
        for line in &shown {
            assert!(line.chars().count() < 200 && line.ends_with(" end"), "{line}");
            assert!(line.contains(" characters ..] "), "{line}");
        }
        assert_eq!(shown.iter().filter(|line| line.contains("| begin")).count(), begins, "{}", ran.stderr);
        assert!(ran.stderr.lines().all(|line| line.chars().count() < 300), "{}", ran.stderr);
    }
}
