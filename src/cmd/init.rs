//! `pipe init`: a project that works at once. Nothing that is there already is written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::config::Flags;
use crate::plan::interpolate::shell_word;
use crate::plan::request::CONFIG;

/// The pipeline that is written.
const PIPELINE: &str = "pipelines/hello.yaml";
/// The files that are written unless they are there.
const FILES: &[(&str, &str)] = &[
    (CONFIG, include_str!("init/pipe.yaml")),
    (PIPELINE, include_str!("init/hello.yaml")),
    ("pipelines/data/hello.txt", include_str!("init/hello.txt")),
];
/// The file that tells git which paths to ignore. Only at the root: a project may have a `src/cache` of its own.
const IGNORE: &str = ".gitignore";
const IGNORED: &[&str] = &["/cache/", "/out/"];

/// `pipe init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe init                  here
  pipe init demo && cd demo && pipe run pipelines/hello.yaml

What is there already stays as it is; a .gitignore gets the lines that it lacks.")]
pub(super) struct InitArguments {
    /// The project root, made if it is not there; the default is the working directory.
    #[arg(value_name = "DIR", add = names::directories(), default_value = ".")]
    pub directory: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The outcome for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Done {
    Written,
    Extended,
    Kept,
}

pub(super) fn run(flags: &Flags, arguments: &InitArguments) -> Result<Exit, Failure> {
    let root = &arguments.directory;
    if root.exists() && !root.is_dir() {
        let message = format!("{} is not a directory", root.display());
        return Err(Failure::usage(message, "name a directory, or one that can be made".to_owned()));
    }
    refuse_foreign_store(flags, root)?;
    let mut files = Vec::new();
    for (name, text) in FILES {
        files.push((*name, at(&root.join(name), |path| write_new(path, text))?));
    }
    files.push((IGNORE, at(&root.join(IGNORE), ignore)?));
    let next = next(root);
    if arguments.json {
        let rows: Vec<_> = files.iter().map(|(path, done)| json!({"path": path, "done": done})).collect();
        output::document(&json!({"root": root, "files": rows, "next": next}));
    } else {
        for (name, done) in &files {
            let done = match done {
                Done::Written => "wrote   ",
                Done::Extended => "extended",
                Done::Kept => "kept    ",
            };
            let path = root.join(name);
            output::text(&format!("{done}  {}\n", path.strip_prefix(".").unwrap_or(&path).display()));
        }
        output::text(&format!("next: {next}\n"));
    }
    Ok(Exit::Success)
}

/// A directory of the user's where the store would go is said now: git would be told to pass it over, and the first run would refuse
/// it.
fn refuse_foreign_store(flags: &Flags, root: &Path) -> Result<(), Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    // Errors in a `pipe.yaml` that is kept are left to the first run to report.
    Project::at(here.join(root), &here, flags).map_or(Ok(()), |project| project.recognize_store())
}

/// The command to go on with.
fn next(root: &Path) -> String {
    let run = format!("pipe run {PIPELINE}");
    if root == Path::new(".") { run } else { format!("cd {} && {run}", shell_word(&root.to_string_lossy())) }
}

/// Does something to a file whose directory is there.
fn at(path: &Path, act: impl FnOnce(&Path) -> io::Result<Done>) -> Result<Done, Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let done = parent.map_or(Ok(()), fs::create_dir_all).and_then(|()| act(path));
    done.map_err(|e| Failure::Broken(anyhow::Error::new(e).context(format!("cannot write {}", path.display()))))
}

/// Writes a file that is not there.
fn write_new(path: &Path, text: &str) -> io::Result<Done> {
    match File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Done::Written),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Done::Kept),
        Err(error) => Err(error),
    }
}

/// Appends the lines that are missing.
fn ignore(path: &Path) -> io::Result<Done> {
    let (old, done) = match fs::read(path) {
        Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), Done::Extended),
        Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), Done::Written),
        Err(error) => return Err(error),
    };
    // `cache`, `/cache` and `cache/` do as well.
    let bare = |line: &str| line.trim().trim_matches('/').to_owned();
    let missing = |wanted: &&&str| !old.lines().any(|line| bare(line) == bare(wanted));
    let missing: String = IGNORED.iter().filter(missing).map(|line| format!("{line}\n")).collect();
    if missing.is_empty() {
        return Ok(Done::Kept);
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{gap}{missing}").as_bytes())?;
    Ok(done)
}
