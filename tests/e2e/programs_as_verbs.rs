//! `pipe NAME` starts `pipe-NAME`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use crate::project::{Project, Ran, worker};

/// A project with programs of its own on PATH.
fn project(programs: &[(&str, &str)]) -> Project {
    let project = Project::new();
    fs::create_dir(project.beside("bin")).unwrap();
    for (name, script) in programs {
        let path = project.beside("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    project
}

#[test]
fn the_words_the_exit_code_the_signal_and_the_streams_are_the_programs_own() {
    let project = project(&[
        ("pipe-say", "pwd; for word; do echo \"[$word]\"; done; exit 7"),
        ("pipe-copy", "exec cat"),
        ("pipe-die", "kill -TERM $$"),
    ]);
    project.write("sub/x", "");
    let ran = project.pipe(&["-C", "sub", "say", "-C", "other", "--store", "a b", "--help", "run", ""]);
    assert_eq!(ran.status, 7, "{}", ran.stderr);
    let here = project.path("sub").display().to_string();
    let said: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(said, [&*here, "[-C]", "[other]", "[--store]", "[a b]", "[--help]", "[run]", "[]"]);
    let mut copy = project.command(&["copy"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    copy.stdin.take().unwrap().write_all(b"one\ntwo").unwrap();
    assert_eq!(Ran::from(copy.wait_with_output().unwrap()).stdout, "one\ntwo");
    assert_eq!(project.command(&["die"]).status().unwrap().signal(), Some(15));
}

#[test]
fn a_word_that_is_neither_verb_nor_program_names_the_near_ones() {
    let project = project(&[("pipe-brew", "true"), ("pipe-note.txt", "true")]);
    fs::write(project.beside("bin").join("pipe-plain"), "").unwrap();
    for (word, meant) in [("brwe", "'brew'"), ("rnu", "'runs'")] {
        let ran = project.pipe(&[word, "--flag", "x"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{word}");
        let expected = format!("unrecognized subcommand '{word}'");
        assert!(ran.stderr.contains(&expected) && ran.stderr.contains(meant), "{word}: {}", ran.stderr);
    }
    for word in ["plain", "note.txt/..", "/bin/true", "../x", "\u{1b}[31m"] {
        let ran = project.pipe(&[word]);
        assert_eq!(ran.status, 2, "{word}");
        assert!(ran.stderr.contains("unrecognized subcommand") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    }
    let ran = project.pipe(&["--store", "x", "brew"]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("--store is a flag of pipe's own verbs"), "{}", ran.stderr);
}

#[test]
fn a_verb_comes_before_a_program_of_its_name() {
    let project = project(&[("pipe-runs", "echo the program"), ("pipe-help", "echo the program")]);
    for verb in ["runs", "help"] {
        let ran = project.pipe(&[verb]);
        assert!(ran.status == 0 && !ran.stdout.contains("the program\n"), "{verb}: {}{}", ran.stdout, ran.stderr);
    }
    assert!(project.pipe(&["hepl"]).stderr.contains("unrecognized subcommand 'hepl'"));
}

#[test]
fn help_and_completion_list_the_programs_that_are_found_and_no_workers() {
    worker("pipe-data");
    let project =
        project(&[("pipe-brew", "true"), ("pipe-tea", "true"), ("pipe-aws", "true"), ("pipe-data.d", "true")]);
    let help = project.pipe(&["--help"]).stdout;
    assert!(help.contains("Another word NAME starts the program pipe-NAME"), "{help}");
    let found = help.lines().find_map(|line| line.strip_prefix("Programs found: ")).unwrap();
    let found: Vec<&str> = found.split(", ").collect();
    assert!(found.contains(&"brew") && found.contains(&"tea"), "{found:?}");
    assert!(["data", "torch", "aws", "data.d"].iter().all(|name| !found.contains(name)), "{found:?}");
    let complete = |words: &[&str]| {
        let mut command = project.command(&["--", "pipe"]);
        command.args(words).env("COMPLETE", "bash").env("_CLAP_IFS", "\n");
        command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let ran = Ran::from(command.output().unwrap());
        ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["br"]), ["brew"]);
    assert!(complete(&["dat"]).is_empty());
    project.write("report.json", "");
    assert_eq!(complete(&["brew", "rep"]), ["report.json"]);
    // The words behind it are the program's own: its -C is no directory to go to, and it has none of pipe's flags.
    project.write("sub/other.json", "");
    assert_eq!(complete(&["brew", "-C", "rep"]), ["report.json"]);
    for words in [&["brew", "-C", "sub", "rep"][..], &["brew", "--store", "sub", "rep"], &["brew", "run", "--", "rep"]]
    {
        assert_eq!(complete(words), ["report.json"], "{words:?}");
    }
    assert_eq!(complete(&["-C", "sub", "brew", "-C", "missing", "oth"]), ["other.json"]);
    for begun in ["-", "--", "--st"] {
        assert!(complete(&["brew", begun]).is_empty(), "{begun}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let project = project(&[("pipe-gone", "true")]);
    let path = project.beside("bin").join("pipe-gone");
    fs::write(&path, "#!/no/such/shell\n").unwrap();
    let ran = project.pipe(&["gone"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("cannot start ") && ran.stderr.contains("pipe-gone"), "{}", ran.stderr);
}
