//! Whole screens, as recorded in `screens/`: of a run, of a stage and of a large matrix. Times, sizes and ids
//! are the same in each; `INSTA_UPDATE=always` records anew.

use crate::project::{Project, checkout};
use crate::terminal::{Screen, on_a_terminal_of};

/// A success, a failure, and the stage that it blocks.
const STORY: &str = r#"pipeline: story
params: {extra: false}
stages:
  counts: {uses: command, run: "echo 1 > ${out.x}", out: {x: out/counts}}
  fails: {uses: command, run: "echo this is why; exit 3", out: {x: out/fails}}
  needs: {uses: command, run: "cat ${in.x} > ${out.x}", in: {x: fails}, out: {x: out/needs}}
  extra: {uses: command, run: "echo > ${out.x}", out: {x: out/extra}, when: "${params.extra}"}
"#;

/// A stage that a param changes, and one that only follows.
const CHANGE: &str = r#"pipeline: change
params: {word: one}
stages:
  says: {uses: command, run: "echo ${params.word} > ${out.x}", out: {x: out/says}}
  counts: {uses: command, run: "wc -c < ${in.x} > ${out.x}", in: {x: says}, out: {x: out/counts}}
"#;

/// 500 stages, three of which are wanted.
fn matrix() -> String {
    let numbers: Vec<_> = (0..500).map(|i| i.to_string()).collect();
    format!(
        r#"pipeline: many
params: {{i: [{}]}}
stages:
  many:
    uses: command
    matrix: {{i: "${{params.i}}"}}
    when: "${{matrix.i < 3}}"
    run: "echo > ${{out.x}}"
    out: {{x: "out/${{matrix.i}}"}}
"#,
        numbers.join(", ")
    )
}

/// Makes parts equal that differ from run to run; before lines are folded, so that they fold alike.
fn redacted(written: &str) -> String {
    let words: Vec<&str> = written.split_inclusive([' ', '\n', '\r']).collect();
    let bare = |at: usize| words.get(at).map_or("", |word| word.trim_end_matches([' ', '\n', '\r', ',', ';']));
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let own = bare(at);
        let is_number = own.starts_with(|c: char| c.is_ascii_digit()) && own.parse::<f64>().is_ok();
        let is_hex = own.len() >= 10 && own.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_run = own.matches('-').count() == 3 && own.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        let new = match bare(at + 1) {
            "s" if is_number && own.contains('.') => "0.00",
            "KiB" | "MiB" if is_number => "1.0",
            "UTC" => "[time]",
            "(local)" => "[machine]",
            _ if is_run => "[run]",
            _ if is_hex => "[digest]",
            _ if own.len() == 10 && own.starts_with("20") && own.matches('-').count() == 2 => "[date]",
            _ if own.len() == 8 && own.matches(':').count() == 2 => "[time]",
            _ if is_pair(own, b'-') => "[day]",
            _ if is_pair(own, b':') => "[time]",
            _ if own == "KiB" => "MiB",
            _ => own,
        };
        text.push_str(new);
        text.push_str(&word[own.len()..]);
    }
    text
}

/// Two numbers of two digits, as of a day or a time.
fn is_pair(word: &str, between: u8) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    matches!(word.as_bytes(), [one @ .., it, d, e] if *it == between && one.len() == 2 && digits(one) && digits(&[*d, *e]))
}

fn check(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(checkout().join("tests/e2e/screens"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Checks the output of the last of the commands in a new project: in a pipe, where the width does not matter, and on terminals of 80 and
/// of 200 columns.
fn check_everywhere(name: &str, yaml: &str, commands: &[&[&str]]) {
    let (last, before) = commands.split_last().unwrap();
    let prepared = || {
        let project = Project::with_pipeline(yaml);
        before.iter().for_each(|words| drop(project.pipe(words)));
        let command = project.command(last);
        (project, command)
    };
    let (_project, mut command) = prepared();
    let piped = command.env("COLUMNS", "80").output().unwrap();
    check(&format!("{name}-plain"), &redacted(&String::from_utf8([piped.stderr, piped.stdout].concat()).unwrap()));
    for columns in [80, 200] {
        let (_project, command) = prepared();
        let (_, written) = on_a_terminal_of(command, 24, columns);
        let mut screen = Screen::new(columns);
        screen.take(&redacted(&written));
        check(&format!("{name}-{columns}"), &screen.text().join("\n"));
    }
}

/// One job at a time, so that the lines are in the order of the plan.
const RUN: &[&str] = &["run", "p.yaml", "--jobs", "1", "--no-throttle"];

#[test]
fn a_run_in_which_stages_succeed_fail_and_are_skipped() {
    check_everywhere("run", STORY, &[RUN]);
    check_everywhere("run-again", STORY, &[RUN, RUN]);
}

#[test]
fn a_stage_that_ran_and_one_that_failed() {
    check_everywhere("show", STORY, &[RUN, &["show", "counts"]]);
    check_everywhere("show-failed", STORY, &[RUN, &["show", "fails"]]);
}

#[test]
fn a_matrix_of_500() {
    check_everywhere("matrix", &matrix(), &[RUN]);
    check_everywhere("matrix-again", &matrix(), &[RUN, RUN]);
}

#[test]
fn what_a_changed_param_would_do_and_did() {
    check_everywhere("plan", CHANGE, &[RUN, &["plan", "p.yaml", "-S", "word=three"]]);
    check_everywhere("why", CHANGE, &[RUN, &["why", "says", "-f", "p.yaml", "-S", "word=three"]]);
    let changed: &[&str] = &["run", "p.yaml", "--jobs", "1", "--no-throttle", "-S", "word=three"];
    check_everywhere("diff", CHANGE, &[RUN, changed, &["diff"]]);
}

#[test]
fn runs_fit_80_columns() {
    let project = Project::with_pipeline(CHANGE);
    let columns = |text: &str| {
        // How long the id of a run is differs from run to run.
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect::<String>()
    };
    project.pipe(RUN);
    let listed = project.pipe(&["runs"]).stdout;
    assert!(listed.lines().all(|line| line.len() <= 80), "{listed}");
    check("runs", &columns(&redacted(&listed)));
}
