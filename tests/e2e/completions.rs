//! Completion at Tab: asked as the scripts of `pipe completions` ask, and by bash itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::project::{Project, Ran, checkout, pipe};

const SWEEP: &str = r#"pipeline: sweep
params: {seed: 42, fast: true, model: {lr: 0.5, sizes: [1, 2]}}
include: {data: {file: parts/data.yaml}}
stages:
  each: {uses: command, matrix: {n: [0.1, 0.2]}, run: "echo ${matrix.n} > ${out.o}", out: {o: "out/${matrix}"}}
  all: {uses: command, run: "cat ${in.parts} > ${out.o}", in: {parts: each}, out: {o: out/all}}
"#;
const DATA: &str = r#"pipeline: data
params: {hosts: 3}
stages:
  raw: {uses: command, run: "echo ${params.hosts} > ${out.o}", out: {o: out/raw}}
"#;

fn sweep() -> Project {
    let project = Project::new();
    project.write("sweep.yaml", SWEEP);
    project.write("parts/data.yaml", DATA);
    project
}

/// The answer to `shell` with the cursor at the end of `words`; nothing is printed beside it.
fn ask(project: &Project, shell: &str, words: &[&str]) -> Vec<String> {
    ask_at(project, shell, words, words.len())
}

/// The same with the cursor at word `index`, the program being word 0.
fn ask_at(project: &Project, shell: &str, words: &[&str], index: usize) -> Vec<String> {
    let mut command = project.command(&["--", "pipe"]);
    command.args(words).env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", index.to_string()).env("_CLAP_IFS", "\n");
    let ran = Ran::from(command.output().unwrap());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

/// The offers besides flags, which come where nothing else does.
fn check(project: &Project, words: &[&str], expected: &[&str]) {
    let mut found = ask(project, "bash", words);
    found.retain(|word| !word.starts_with('-') || words.last().is_some_and(|last| last.starts_with('-')));
    assert_eq!(found, expected, "{words:?}");
}

/// Every file and directory of the project.
fn listing(project: &Project) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut pending = vec![project.root().to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.display().to_string(), path.symlink_metadata().unwrap().len());
            if path.is_dir() {
                pending.push(path);
            }
        }
    }
    found
}

#[test]
fn stages_of_the_pipeline_on_the_line_are_offered() {
    let project = sweep();
    check(&project, &["run", "sweep.yaml", ""], &["each", "all", "data/raw", "data/"]);
    check(&project, &["plan", "sweep.yaml", "a"], &["all"]);
    check(&project, &["run", "sweep.yaml", "all", "each["], &["each[n=0.1]", "each[n=0.2]"]);
    check(&project, &["run", "sweep.yaml", "--refresh", "data"], &["data/raw", "data/"]);
    check(&project, &["why", "-f", "sweep.yaml", "e"], &["each[n=0.1]", "each[n=0.2]"]);
    check(&project, &["shell", "--file=parts/data.yaml", ""], &["raw"]);
    // The words behind the cursor count too.
    assert_eq!(ask_at(&project, "bash", &["why", "al", "-f", "sweep.yaml"], 2), ["all"]);
    // A kind is told with the name, where the shell shows that.
    assert_eq!(ask(&project, "fish", &["run", "sweep.yaml", "al"]), ["all\tcommand"]);
}

#[test]
fn without_a_file_the_only_pipeline_is_meant_and_then_the_last_one() {
    let project = Project::with_pipeline(DATA);
    check(&project, &["why", ""], &["raw"]);
    project.write("pipelines/other.yaml", &DATA.replace("raw", "cooked").replace("pipeline: data", "pipeline: other"));
    check(&project, &["why", ""], &[]);
    assert_eq!(project.pipe(&["run", "pipelines/other.yaml"]).status, 0);
    check(&project, &["why", ""], &["cooked"]);
    check(&project, &["logs", ""], &["cooked"]);
}

#[test]
fn params_are_offered_with_the_values_they_have() {
    let project = sweep();
    let expected = ["seed=", "fast=", "model.lr=", "data.hosts="];
    check(&project, &["run", "sweep.yaml", "-S", ""], &expected);
    check(&project, &["plan", "sweep.yaml", "--set", "mod"], &["model.lr="]);
    check(&project, &["plan", "sweep.yaml", "-Ssee"], &["-Sseed="]);
    check(&project, &["plan", "sweep.yaml", "-S", "params.s"], &["params.seed="]);
    assert_eq!(ask_at(&project, "bash", &["run", "-S", "fast=", "sweep.yaml"], 3), ["fast=true", "fast=false"]);
    check(&project, &["run", "sweep.yaml", "-S", "fast="], &["fast=true", "fast=false"]);
    check(&project, &["run", "sweep.yaml", "-S", "model.lr="], &["model.lr=0.5"]);
    let helped = ask(&project, "fish", &["run", "sweep.yaml", "-S", ""]);
    assert_eq!(helped, ["seed=\t42", "fast=\ttrue", "model.lr=\t0.5", "data.hosts=\t3"]);
    let after = ask(&project, "fish", &["run", "sweep.yaml", "-S", "seed=7", "-S", "see"]);
    assert_eq!(after, ["seed=\t7"], "the value that it has by now");
}

#[test]
fn kinds_backends_and_pipelines_are_offered() {
    let project = sweep();
    check(&project, &["stages", "t"], &["tokenize", "train", "transform"]);
    project.write("pipe.yaml", "backends: {gpu: local, big: local}\n");
    check(&project, &["run", "sweep.yaml", "--backend", ""], &["local=", "big=", "gpu="]);
    check(&project, &["run", "sweep.yaml", "--backend", "gpu="], &["gpu=local", "gpu=big"]);
    check(&project, &["run", "s"], &["sweep.yaml"]);
    check(&project, &["check", "parts/"], &["parts/data.yaml"]);
    check(&project, &["check", "pi"], &[]);
    check(&project, &["graph", "sweep.yaml", "--format", ""], &["mermaid", "dot", "svg"]);
    check(&project, &["hel"], &["help"]);
    check(&project, &["help", "gr"], &["graph"]);
    check(&project, &["__"], &[]);
    assert_eq!(ask(&project, "bash", &["run", "sweep.yaml", "all", ""])[..2], ["each", "all"]);
    let flags = ask(&project, "bash", &["runs", ""]);
    assert!(flags.contains(&"--limit".to_owned()) && flags.contains(&"--help".to_owned()), "{flags:?}");
    assert!(ask(&project, "bash", &["run", "--kee"]).contains(&"--keep-work".to_owned()));
    // From a directory below, and as if started there.
    let mut below = project.command(&["--", "pipe", "run", "../sw"]);
    let below = below.current_dir(project.path("parts")).env("COMPLETE", "fish").output().unwrap();
    assert_eq!(String::from_utf8(below.stdout).unwrap(), "../sweep.yaml\n");
    check(&project, &["-C", "parts", "run", "d"], &["data.yaml"]);
    check(&project, &["run", "-Cparts", "data.yaml", "r"], &["raw"]);
    check(&project, &["-C", "pa"], &["parts/"]);
}

#[test]
fn earlier_runs_and_what_they_gave_are_offered() {
    let project = sweep();
    check(&project, &["diff", ""], &[]);
    for _ in 0..2 {
        assert_eq!(project.pipe(&["run", "sweep.yaml", "-q"]).status, 0);
    }
    let runs = ask(&project, "bash", &["diff", ""]);
    assert_eq!(runs[..2], ["last", "last~1"]);
    assert_eq!(runs.len(), 4, "{runs:?}");
    assert!(runs[2] > runs[3], "newest first: {runs:?}");
    check(&project, &["diff", "last", &runs[2]], &[&runs[2]]);
    for words in [&["show", "all", "--run", ""], &["logs", "all", "--run", ""], &["get", "all", "--run", ""]] {
        assert_eq!(ask(&project, "bash", words), runs, "{words:?}");
    }
    let told = ask(&project, "fish", &["diff", &runs[2]]);
    assert_eq!(told, [format!("{}\tsweep", runs[2])]);
    check(&project, &["show", "a"], &["all"]);
    check(&project, &["logs", "each"], &["each[n=0.1]", "each[n=0.2]"]);
    check(&project, &["get", "all."], &["all.o"]);
    check(&project, &["runs", "--pipeline", ""], &["sweep"]);
    assert!(ask(&project, "bash", &["cache", "pin", ""]).contains(&"data/raw".to_owned()));
    // Somebody else's store holds none of them.
    check(&project, &["--store", "elsewhere", "diff", ""], &[]);
}

#[test]
fn a_pipeline_that_is_still_being_written_is_completed_as_far_as_it_goes() {
    let project =
        Project::with_pipeline("pipeline: p\nparams: {a: 1}\nstages:\n  one: {uses: comand, rn: }\n  two: {in: 5}\n");
    check(&project, &["run", "p.yaml", ""], &["one", "two"]);
    check(&project, &["run", "p.yaml", "-S", ""], &["a="]);
}

#[test]
fn completing_writes_nothing_and_never_complains() {
    let project = sweep();
    project.write("broken.yaml", "stages: [\n  - {");
    std::fs::write(project.path("binary.yaml"), [0xff, 0, 0xfe]).unwrap();
    std::fs::create_dir(project.path("directory.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(project.path("fifo.yaml")).status().unwrap().success());
    let before = listing(&project);
    for file in ["broken.yaml", "binary.yaml", "directory.yaml", "fifo.yaml", "missing.yaml", "/dev/null", ""] {
        check(&project, &["run", file, "x"], &[]);
        check(&project, &["run", file, "-S", "x"], &[]);
    }
    check(&project, &["-C", "missing", "run", ""], &[]);
    check(&project, &["run", "sweep.yaml", "\u{1b}[31m"], &[]);
    check(&project, &["nonsense", "sweep.yaml", "x"], &[]);
    check(&project, &["run", "--nonsense", "--jobs", "many", "sweep.yaml", "al"], &["all"]);
    assert!(ask_at(&project, "bash", &["run"], 9).is_empty());
    project.write("pipe.yaml", "nonsense: [\n");
    check(&project, &["run", "sweep.yaml", "al"], &["all"]);
    check(&project, &["diff", ""], &[]);
    project.write("pipe.yaml", "# project root\n");
    assert_eq!(listing(&project), before);
}

#[test]
fn a_command_runs_although_a_variable_of_that_name_is_set() {
    let project = sweep();
    for value in ["bash", "1", "", "nonsense"] {
        let output = project.command(&["check", "sweep.yaml"]).env("COMPLETE", value).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{value}: {output:?}");
    }
}

#[test]
fn every_script_asks_this_program() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = project.pipe(&["completions", shell]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains("COMPLETE") && ran.stdout.contains(pipe().to_str().unwrap()), "{}", ran.stdout);
        let asked = Ran::from(project.command(&[]).env("COMPLETE", shell).output().unwrap());
        assert_eq!(asked.stdout, ran.stdout, "{shell}");
    }
    assert_eq!(project.pipe(&["completions", "csh"]).status, 2);
}

/// Prints the text that bash inserts for `line` with the cursor at its end. The words are split as bash does: `=` and `:` are words too.
const DRIVER: &str = r#"
eval "$(pipe completions bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDS=() rest=$1
while [[ -n $rest ]]; do
    case $rest in
        [=:]*) COMP_WORDS+=("${rest:0:1}"); rest=${rest:1} ;;
        ' '*) rest=${rest:1}; if [[ -z $rest ]]; then COMP_WORDS+=(''); fi ;;
        *) word=${rest%%[ =:]*}; COMP_WORDS+=("$word"); rest=${rest#"$word"} ;;
    esac
done
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) current=${COMP_WORDS[COMP_CWORD]}
_pipe_complete pipe "${current#[=:]}" ''
printf '%s\n' "${COMPREPLY[@]}"
"#;

#[test]
#[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
fn bash_itself_completes_words_with_its_own_breaks_in_them() {
    if Command::new("bash").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no bash");
        return;
    }
    let project = sweep();
    let check = |line: &str, expected: &[&str]| {
        let path = format!("{}:{}", pipe().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", DRIVER, "bash", line]).current_dir(project.root()).env("PATH", path);
        let ran = Ran::from(bash.output().unwrap());
        assert_eq!(ran.stderr, "", "{line}");
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected, "{line}");
    };
    check("pipe run sweep.yaml ", &["each", "all", "data/raw", "data/"]);
    check("pipe run sweep.yaml each[", &["each[n=0.1]", "each[n=0.2]"]);
    check("pipe run sweep.yaml each[n=", &["0.1]", "0.2]"]);
    check("pipe run sweep.yaml each[n=0.2", &["0.2]"]);
    check("pipe graph sweep.yaml --format=s", &["svg"]);
    check("pipe why --file=sweep.yaml al", &["all"]);
    check("pipe run sweep.yaml -S model.lr=", &["0.5"]);
    check("pipe run sweep.yaml -S seed=1 -S fas", &["fast="]);
    check("pipe   run   sweep.yaml   al", &["all"]);
    project.write("my stages.yaml", DATA);
    check("pipe run my", &["my\\ stages.yaml"]);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
fn fish_itself_completes_where_it_is_installed() {
    if Command::new("fish").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no fish");
        return;
    }
    let project = sweep();
    for (line, expected) in [("pipe why al", "all\tcommand\n"), ("pipe run sweep.yaml -S fas", "fast=\t")] {
        let mut fish = Command::new("fish");
        let script = format!("{} completions fish | source; complete -C '{line}'", pipe().display());
        fish.args(["--no-config", "-c", &script]).current_dir(project.root()).env("HOME", project.root());
        let ran = Ran::from(fish.output().unwrap());
        assert!(ran.stdout.starts_with(expected), "{line}: {} {}", ran.stdout, ran.stderr);
    }
}

#[test]
fn the_shipped_pipelines_complete_from_the_checkout() {
    let project = Project::new();
    let ask = |words: &[&str]| {
        let mut command = project.command(&["--", "pipe"]);
        command.args(words).env("COMPLETE", "fish").current_dir(checkout());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(ask(&["run", ""]).contains("pipelines/full.yaml\n"));
    assert!(Path::new(&checkout().join("pipelines/full.yaml")).is_file());
    assert!(ask(&["run", "pipelines/full.yaml", "mod"]).starts_with("model\t"));
    assert!(ask(&["run", "pipelines/full.yaml", "-S", "see"]).starts_with("seed=\t"));
}
