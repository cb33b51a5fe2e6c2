//! Which directories are stores: a user's directories are refused, and a user's files in a store stay.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, Ran, expected};

const ONE: &str = r#"pipeline: one
params: {word: a}
stages: {say: {uses: command, run: "echo ${params.word} > ${out.o}", out: {o: out/say}}}
"#;

/// Every verb that meets the store, with words that are right but for it.
const VERBS: [&[&str]; 15] = [
    &["run", "p.yaml"],
    &["plan", "p.yaml"],
    &["plan", "p.yaml", "--needs"],
    &["why", "say", "-f", "p.yaml"],
    &["check", "p.yaml"],
    &["shell", "say", "-f", "p.yaml", "--", "true"],
    &["show", "say"],
    &["get", "say", "copy"],
    &["logs", "say"],
    &["runs"],
    &["diff"],
    &["cache", "status"],
    &["cache", "gc", "--grace", "0"],
    &["cache", "verify"],
    &["init"],
];

/// Everything below a directory, with its content.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut all, mut pending) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path.clone());
            }
            all.push((path.clone(), std::fs::read(path).unwrap_or_default()));
        }
    }
    all.sort();
    all
}

/// Every verb refuses with 2, says `expected` and leaves no trace.
fn check_refused(project: &Project, more: &[&str], environment: &[(&str, &str)], expected: &[&str]) {
    let before = contents(project.root());
    for verb in VERBS.iter().chain([&["cache", "pin", "say"] as &[&str]].iter()) {
        // A command after `--` takes all that follows.
        let words = [&verb[..1], more, &verb[1..]].concat();
        let words = if verb[0] == "cache" { [&verb[..], more].concat() } else { words };
        let ran = Ran::from(project.command(&words).envs(environment.iter().copied()).output().unwrap());
        assert_eq!(ran.status, 2, "{words:?}: {}{}", ran.stdout, ran.stderr);
        for text in expected {
            // Verbs that plan before they open the store tell first of an output that would lie in it.
            let planned = !["run", "check"].contains(&verb[0]) && ran.stderr.contains("error[reserved-path]");
            assert!(planned || ran.stderr.contains(text), "{words:?} does not say {text}: {}", ran.stderr);
        }
        assert!(contents(project.root()) == before, "{words:?} changed something");
    }
}

#[test]
fn a_directory_of_the_users_is_refused_by_every_verb_and_left_as_it_is() {
    let project = Project::with_pipeline(ONE);
    project.write("pipe.yaml", "# mine\nstore: .\n");
    for file in ["work/thesis/c1", "work/thesis.lock", "tmp/p1/a", "runs/exp1/events"] {
        project.write(file, "precious");
    }
    check_refused(
        &project,
        &[],
        &[],
        &["pipe.yaml:2", "is no store", "`p.yaml`", "`pipe.yaml`", "help: name a directory"],
    );

    let project = Project::with_pipeline(ONE);
    project.write("data/table.csv", "1,2\n");
    check_refused(&project, &["--store", "data"], &[], &["flag --store", "it holds `table.csv`"]);
    check_refused(&project, &["--store", "/"], &[], &["flag --store", "/: this is no store"]);
    check_refused(&project, &["--store", "p.yaml"], &[], &["expected a directory, found a file"]);
    check_refused(&project, &[], &[("PIPE_STORE", "data")], &["variable PIPE_STORE"]);
    // Names of a store's alone do not make one.
    project.write("experiments/runs/one/events", "");
    project.write("experiments/work/notes", "");
    check_refused(&project, &["--store", "experiments"], &[], &["it holds `runs`, `work`"]);
    project.write("cache/mine.txt", "");
    check_refused(
        &project,
        &[],
        &[],
        &["the store's default place", "it holds `mine.txt`", "set `store` in pipe.yaml"],
    );
    let json = project.pipe(&["run", "p.yaml", "--json"]);
    assert!(json.status == 2 && json.stdout.contains("\"outcome\": \"invalid\""), "{}", json.stdout);
}

#[test]
fn a_directory_with_nothing_but_a_readme_becomes_a_store() {
    let project = Project::with_pipeline(ONE);
    for harmless in ["README", "README.md", ".gitignore", "CACHEDIR.TAG", "lost+found/x"] {
        project.write(&format!("cache/{harmless}"), "mine");
    }
    assert_eq!(project.outcomes(&[]), expected(&[("say", "ran")]));
    assert!(project.read("cache/pipe-store").starts_with("pipe store 1\n"));
    assert_eq!(project.read("cache/CACHEDIR.TAG"), "mine", "what is there stays");
    let project = Project::with_pipeline(ONE);
    assert_eq!(project.pipe(&["cache", "status"]).status, 0);
    assert!(!project.path("cache").exists(), "a look makes no store");
    project.outcomes(&[]);
    assert!(project.read("cache/CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}

#[test]
fn a_store_from_before_there_were_markers_gets_one_unless_it_holds_something_else() {
    let project = Project::with_pipeline(ONE);
    project.outcomes(&[]);
    let marker = project.path("cache/pipe-store");
    std::fs::remove_file(&marker).unwrap();
    std::fs::remove_file(project.path("cache/CACHEDIR.TAG")).unwrap();
    assert_eq!(project.outcomes(&[]), expected(&[("say", "hit")]));
    assert!(marker.exists());
    // As a power cut may leave it.
    std::fs::write(&marker, "").unwrap();
    assert_eq!(project.outcomes(&[]), expected(&[("say", "hit")]));
    assert!(project.read("cache/pipe-store").starts_with("pipe store 1\n"));
    std::fs::remove_file(&marker).unwrap();
    project.write("cache/thesis.tex", "");
    check_refused(&project, &[], &[], &["it holds `thesis.tex`"]);
}

#[test]
fn a_store_of_which_only_plans_or_failed_runs_were_made_is_still_one() {
    let project = Project::with_pipeline(&ONE.replace("echo", "false;"));
    assert_eq!(project.pipe(&["run", "p.yaml"]).status, 1);
    std::fs::remove_file(project.path("cache/pipe-store")).unwrap();
    assert_eq!(project.pipe(&["run", "p.yaml"]).status, 1);
    assert!(project.path("cache/pipe-store").exists());
}

#[test]
fn a_store_of_a_later_format_is_refused_and_says_so() {
    let project = Project::with_pipeline(ONE);
    project.outcomes(&[]);
    project.write("cache/pipe-store", "pipe store 2\nwhatever that is\n");
    check_refused(&project, &[], &[], &["has format 2", "up to 1", "help: use the newer version"]);
}

#[test]
fn what_lies_among_the_stores_things_and_is_not_the_stores_stays() {
    let project = Project::with_pipeline(ONE);
    project.write("pipe.yaml", "runs: {keep: 1}\n");
    project.outcomes(&[]);
    let mine = [
        "work/thesis/c1",
        "work/thesis.lock",
        "work/flake.lock",
        "work/kept/mine/f",
        "tmp/p1/a",
        "tmp/p1.lock",
        "plans/notes.txt",
        "checkpoints/epoch-3/weights",
        "displaced/mine/f",
        "quarantine/mine",
        "blobs/mine",
        "records/ab/mine.json",
    ];
    for file in mine {
        project.write(&format!("cache/{file}"), "precious");
    }
    for number in 0..5 {
        project.write(&format!("cache/runs/exp{number}/events"), "precious");
    }
    for word in ["b", "c", "d", "e"] {
        project.outcomes(&["-S", &format!("word={word}")]);
    }
    let also = ["--also", "displaced", "--also", "quarantine", "--also", "kept-work"];
    let ran = project.pipe(&[&["cache", "gc", "--grace", "0"], &also[..]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for file in mine {
        assert_eq!(project.read(&format!("cache/{file}")), "precious");
    }
    for number in 0..5 {
        assert!(project.path(&format!("cache/runs/exp{number}/events")).exists());
    }
    // Those of the engine do go.
    assert_eq!(std::fs::read_dir(project.path("cache/runs")).unwrap().count(), 5 + 1);
}

#[test]
fn first_runs_at_once_do_not_refuse_each_others_beginnings() {
    for _ in 0..5 {
        let project = Project::with_pipeline(ONE);
        let words: Vec<String> = (0..8).map(|number| format!("word=w{number}")).collect();
        let started = |word: &String| {
            let mut command: Command = project.command(&["run", "p.yaml", "-q", "-S", word]);
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = words.iter().map(started).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!text.contains("is no store"), "{text}");
        }
        let left: Vec<_> =
            std::fs::read_dir(project.path("cache")).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
    }
}
