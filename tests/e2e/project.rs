//! A project in a temporary directory and the runs of `pipe` in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// After so long a condition is taken for one that never comes. A busy disk takes its time to place the programs of an instance.
const HANGS: Duration = Duration::from_secs(300);

/// A directory with a `pipe.yaml`, removed at the end of the test. `../beside/` lies outside it: fifos and ledgers by which a test
/// talks to its commands, which see nothing of the project but their declared inputs.
pub(crate) struct Project {
    directory: tempfile::TempDir,
    root: PathBuf,
}

/// The result of running `pipe`.
pub(crate) struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Project {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("project");
        for new in [&root, &directory.path().join("beside")] {
            std::fs::create_dir(new).unwrap();
        }
        std::fs::write(root.join("pipe.yaml"), "# project root\n").unwrap();
        Project { directory, root }
    }

    /// A project with one pipeline, `p.yaml`.
    pub(crate) fn with_pipeline(yaml: &str) -> Project {
        let project = Project::new();
        project.write("p.yaml", yaml);
        project
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where this test and its commands meet.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join("beside").join(name)
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, relative: &str) -> String {
        std::fs::read_to_string(self.path(relative)).unwrap_or_else(|e| panic!("{relative}: {e}"))
    }

    /// `pipe` with these words, not started yet. It finds what lies in `bin` beside the project.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(pipe());
        command.args(words).current_dir(self.root()).stdin(Stdio::null()).env("NO_COLOR", "1");
        let programs = self.beside("bin");
        if programs.is_dir() {
            command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
        }
        command
    }

    /// Runs `pipe` to its end.
    pub(crate) fn pipe(&self, words: &[&str]) -> Ran {
        Ran::from(self.command(words).output().unwrap())
    }

    /// `pipe run p.yaml --json` with more words, which must end with this exit code: the closing document.
    pub(crate) fn run_json(&self, words: &[&str], status: i32) -> Value {
        self.run_json_of("p.yaml", words, status)
    }

    /// As [`Project::run_json`], of another pipeline.
    pub(crate) fn run_json_of(&self, file: &str, words: &[&str], status: i32) -> Value {
        let mut all = vec!["run", file, "--json"];
        all.extend(words);
        let ran = self.pipe(&all);
        assert_eq!(ran.status, status, "{}{}", ran.stderr, ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stdout))
    }

    /// The events of every run so far, as they lie in the journals.
    pub(crate) fn events(&self) -> String {
        let runs = std::fs::read_dir(self.path("cache/runs")).into_iter().flatten().flatten();
        let journals = runs.map(|run| std::fs::read_to_string(run.path().join("events.ndjson")).unwrap_or_default());
        journals.collect()
    }

    /// The outcomes of a run that succeeds, by stage.
    pub(crate) fn outcomes(&self, words: &[&str]) -> BTreeMap<String, String> {
        outcomes(&self.run_json(words, 0))
    }
}

/// The outcome of each stage of a report.
pub(crate) fn outcomes(report: &Value) -> BTreeMap<String, String> {
    let stages = report["stages"].as_object().unwrap().iter();
    stages.map(|(name, stage)| (name.clone(), stage["outcome"].as_str().unwrap().to_owned())).collect()
}

/// Outcomes as a test writes them.
pub(crate) fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Sends a signal to a running `pipe`.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits for a condition that another process brings about; a guard against hanging, not a timing.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < HANGS, "never happened: {what}");
        std::thread::yield_now();
    }
}

/// The binary under test.
pub(crate) fn pipe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pipe"))
}

/// A worker binary, built beside `pipe`.
pub(crate) fn worker(name: &str) -> PathBuf {
    let path = pipe().with_file_name(name);
    assert!(path.is_file(), "{} is not built: run ./check, or cargo build --workspace first", path.display());
    path
}

/// The checkout.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
