//! `-C DIR` and `pipe help`.

use crate::project::Project;

const ONE: &str = r#"pipeline: one
params: {word: hello}
stages:
  say: {uses: command, run: "echo ${params.word} > ${out.o}", out: {o: out/o}}
"#;

fn project() -> Project {
    let project = Project::new();
    project.write("sub/p.yaml", ONE);
    project.write("sub/set.yaml", "word: bye\n");
    project.write("sub/deep/pipe.yaml", "");
    project.write("sub/deep/q.yaml", ONE);
    project
}

#[test]
fn a_command_acts_as_if_started_in_the_directory() {
    let project = project();
    for words in [
        &["-C", "sub", "run", "p.yaml", "--params", "set.yaml"][..],
        &["run", "p.yaml", "--params", "set.yaml", "-C", "sub"],
        &["run", "-Csub", "p.yaml", "--params", "set.yaml", "--events", "e.ndjson"],
        &["-C", "sub/deep", "-C", "..", "run", "p.yaml"],
        &["-C", "sub/deep", "run", "-C", "..", "p.yaml"],
    ] {
        let ran = project.pipe(words);
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
        // The root belongs to the directory: pipe.yaml lies above it.
        assert_eq!(project.read("out/o"), if words.contains(&"--params") { "bye\n" } else { "hello\n" }, "{words:?}");
    }
    assert!(project.path("sub/e.ndjson").is_file());
    assert_eq!(project.pipe(&["-C", "sub/deep", "run", "q.yaml"]).status, 0);
    assert!(project.path("sub/deep/out/o").is_file() && project.path("sub/deep/cache").is_dir());
    let config = project.pipe(&["config", "-C", "sub", "--store", "elsewhere"]);
    assert!(config.stdout.contains("/sub/elsewhere"), "{}", config.stdout);
    let init = project.pipe(&["-C", "sub/deep", "init", "new"]);
    assert!(init.status == 0 && project.path("sub/deep/new/pipe.yaml").is_file(), "{}", init.stderr);
}

#[test]
fn a_directory_that_is_not_there_is_invalid_input() {
    let project = project();
    for (words, expected) in [
        (&["-C", "missing", "check", "p.yaml"][..], "-C missing: there is no such directory"),
        (&["run", "p.yaml", "-C", "sub/p.yaml"][..], "-C sub/p.yaml: not a directory"),
        (&["-C", "sub", "runs", "-C", "sub"][..], "-C sub: there is no such directory"),
    ] {
        let ran = project.pipe(words);
        assert_eq!(ran.status, 2, "{words:?}");
        assert!(ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
        assert!(!project.path("cache").exists());
    }
    let json = project.pipe(&["-C", "missing", "runs", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["outcome"], "invalid", "{json}");
    assert_eq!(project.pipe(&["run", "-C"]).status, 2);
}

#[test]
fn help_of_a_verb_is_what_its_flag_says() {
    let project = Project::new();
    for verb in [&["run"][..], &["graph"], &["cache"], &["cache", "gc"], &["completions"]] {
        let flag = project.pipe(&[verb, &["--help"]].concat());
        let help = project.pipe(&[&["help"], verb].concat());
        assert_eq!((help.status, &help.stdout), (0, &flag.stdout), "{verb:?}");
        assert!(help.stdout.contains("Examples:") && help.stdout.contains("-C <DIR>"), "{}", help.stdout);
    }
    assert_eq!(project.pipe(&["help"]).stdout, project.pipe(&["--help"]).stdout);
    let wrong = project.pipe(&["help", "rnu"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("rnu"), "{}", wrong.stderr);
}
