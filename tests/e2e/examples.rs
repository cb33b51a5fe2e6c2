//! Every example command of every help text, of README.md and of docs/: each is understood, names stages that there are, and those
//! that cost nothing are run, all against the shipped pipelines.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::project::{Project, Ran, checkout, pipe};

/// Verbs whose examples are run: they execute no stage, and need no earlier run.
const RUN: [&str; 9] = ["plan", "check", "graph", "stages", "config", "schema", "runs", "completions", "help"];
/// Verbs whose first word is a stage.
const OF_A_STAGE: [&str; 5] = ["why", "logs", "show", "get", "shell"];

/// A command as it stands somewhere.
#[derive(Clone, Debug)]
struct Example {
    place: String,
    /// The command without the parts that a shell adds around its output.
    command: String,
}

impl Example {
    /// The words behind `pipe`.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.command.split_whitespace().skip_while(|word| *word != "pipe").skip(1)
    }

    /// The command with more words directly behind `pipe`.
    fn with(&self, words: &str) -> String {
        self.command.replacen("pipe ", &format!("pipe {words} "), 1)
    }
}

/// The commands in these lines: the text before a remark, a pipe or a redirection.
fn examples(place: &str, lines: impl Iterator<Item = String>) -> Vec<Example> {
    let mut found = Vec::new();
    for line in lines {
        let line = line.trim();
        let line = line.strip_prefix("$ ").unwrap_or(line).replacen("./pipe ", "pipe ", 1);
        let begins = line.starts_with("pipe ") || line.split(" pipe ").next().is_some_and(is_assignments);
        // Formats of files begin with `pipe` too.
        let is_command = begins && line.is_ascii() && !line.contains("\\n");
        for part in line.split(" && ").filter(|_| is_command) {
            let end = ["  ", " |", " >", " #"].iter().filter_map(|end| part.find(end)).min().unwrap_or(part.len());
            if part.contains("pipe ") {
                found.push(Example { place: place.to_owned(), command: part[..end].to_owned() });
            }
        }
    }
    found
}

fn is_assignments(text: &str) -> bool {
    text.split(' ').all(|word| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    })
}

/// The names in the list of commands of a help text.
fn verbs(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn of_help(project: &Project) -> Vec<Example> {
    let mut found = Vec::new();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = project.pipe(&words).stdout;
        let below = verbs(&help).into_iter().filter(|verb| verb != "help");
        let before = pending.len();
        pending.extend(below.map(|verb| [&path[..], &[verb]].concat()));
        let lines = help.lines().skip_while(|line| *line != "Examples:").map(str::to_owned);
        let examples = examples(&format!("pipe {}", words.join(" ")), lines);
        assert!(!examples.is_empty() || pending.len() > before, "pipe {} has no examples", words.join(" "));
        found.extend(examples);
    }
    found
}

fn of_documents() -> Vec<Example> {
    let docs = std::fs::read_dir(checkout().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let files = docs.filter(|file| file.extension().is_some_and(|e| e == "md")).chain([checkout().join("README.md")]);
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut inside = false;
        let fenced = text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            inside && !fence
        });
        found.extend(examples(&file.display().to_string(), fenced.map(str::to_owned)));
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, &target).map(|_| ()).unwrap() }
    }
}

/// A project with the shipped pipelines.
fn shipped() -> Project {
    let project = Project::new();
    copy(&checkout().join("pipelines"), &project.path("pipelines"));
    project.write("pipe.yaml", &std::fs::read_to_string(checkout().join("pipe.yaml")).unwrap());
    project
}

/// Runs a line of a shell in which `pipe` is this one.
fn shell(project: &Project, line: &str) -> Ran {
    let path = format!("{}:{}", pipe().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(project.root()).env("PATH", path).env("NO_COLOR", "1");
    Ran::from(command.output().unwrap())
}

#[test]
fn every_example_is_understood() {
    let project = shipped();
    let all = [of_help(&project), of_documents()].concat();
    assert!(all.len() > 50, "{all:?}");
    for example in all {
        // Only a line that is understood goes where it says, and finds that it cannot.
        let ran = shell(&project, &example.with("-C missing"));
        let expected = "-C missing: there is no such directory";
        assert!(
            ran.status == 2 && ran.stderr.contains(expected) || ran.stdout.contains(expected),
            "{example:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn every_example_of_a_stage_names_one_that_ships() {
    let project = shipped();
    let mut stages = BTreeSet::new();
    for entry in std::fs::read_dir(project.path("pipelines")).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            let graph = project.pipe(&["graph", file.to_str().unwrap(), "--json"]);
            let graph: serde_json::Value = serde_json::from_str(&graph.stdout).unwrap();
            let names =
                graph["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap().to_owned());
            stages.extend(names);
        }
    }
    for example in [of_help(&project), of_documents()].concat() {
        let mut words = example.words();
        if words.next().is_some_and(|verb| OF_A_STAGE.contains(&verb)) {
            let named = words.next().unwrap_or_default().split('.').next().unwrap_or_default();
            assert!(stages.contains(named), "{example:?}: {stages:?}");
        }
    }
}

#[test]
fn every_example_that_costs_nothing_works() {
    let project = shipped();
    let mut verbs = BTreeSet::new();
    for example in [of_help(&project), of_documents()].concat() {
        let verb = example.words().next().unwrap_or_default().to_owned();
        let needs_no_run = RUN.contains(&&*verb) || verb == "why" && example.words().any(|word| word == "-f");
        if needs_no_run {
            let ran = shell(&project, &example.command);
            let place = &example.place;
            assert!(ran.status == 0, "{place}: {example:?}: {}{}", ran.stdout, ran.stderr);
            verbs.insert(verb);
        }
    }
    assert!(verbs.len() > RUN.len() - 2, "{verbs:?}");
    assert!(!project.path("out").exists());
}
