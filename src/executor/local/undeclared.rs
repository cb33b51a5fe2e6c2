//! Guesses the cause of a failed command: a path of the project that its log or its script names and that it did not declare, or
//! something else that its confinement closes.
//!
//! A command sees only its declared inputs, so a forgotten one looks like a missing file. This finds it and says how to declare it.

mod tools;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use indexmap::IndexMap;

use crate::plan::instances::family;
use crate::plan::{Command, Plan, PlannedStage, Sandbox, Script, Work};
use crate::store::Store;

/// Bytes at the end of the log that are looked at.
const TAIL: u64 = 64 << 10;
/// Paths that are named; a command that lacks more is not helped by a longer list.
const NAMED: usize = 3;

/// Advice for the stage of `plan` that failed with this log, where it is a command.
pub(in crate::executor) fn help(plan: &Plan, store: &Store, stage: &str, log: &Path) -> Option<String> {
    let stage = plan.graph.node_weights().find(|planned| planned.name.as_str() == stage)?;
    let Work::Command(command) = &stage.work else { return None };
    if command.sandbox == Sandbox::Workspace {
        return None;
    }
    let tail = tail(log).unwrap_or_default();
    // Every path that a shell or a program would complain about stands in one of the two; the log knows better.
    let mut found = missing(&tail, plan, store, stage);
    if found.is_empty() {
        found = missing(&script(command), plan, store, stage);
    }
    if found.is_empty() {
        return tool(plan, command, &tail).or_else(|| closed(&plan.root, &tail));
    }
    let lines = found.iter().map(|path| {
        let home = tools::home(&plan.root, path);
        let (what, how) = home.map_or_else(|| (path.as_path(), declaration(plan, path)), |home| (home, use_of(home)));
        format!("`{}`: {how}", what.display())
    });
    // Several files of one directory of tools give one line.
    let lines: BTreeSet<String> = lines.collect();
    Some(format!(
        "it sees only its declared inputs, and this is in the project but not among them:\n    {}",
        lines.into_iter().take(NAMED).collect::<Vec<_>>().join("\n    ")
    ))
}

/// A path of the project that a command names and does not declare, before it fails for it.
#[derive(Debug, serde::Serialize)]
pub struct Unseen {
    /// The stage; of a matrix, its name.
    pub stage: String,
    /// How many instances of it are meant.
    pub instances: usize,
    /// The path, relative to the root.
    pub path: PathBuf,
    /// How to declare it.
    pub help: String,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, path, help) = (&self.stage, self.path.display(), &self.help);
        write!(f, "stage `{stage}` names `{path}`, which is in the project but none of its inputs: {help}")
    }
}

/// The paths that the texts of all commands name and do not declare. Only a run can tell whether they read them.
pub fn unseen(plan: &Plan, store: &Store) -> Vec<Unseen> {
    let mut found: IndexMap<(String, PathBuf), Unseen> = IndexMap::new();
    for planned in plan.graph.node_weights() {
        let Work::Command(command) = &planned.work else { continue };
        if command.sandbox == Sandbox::Workspace {
            continue;
        }
        let name = planned.name.as_str();
        let stage = family(name).map_or(name, |(family, _)| family).to_owned();
        for path in missing(&without_comments(&script(command)), plan, store, planned) {
            // A bare word is often no path even where a directory is called like it: `test`, `data`.
            if path.components().count() < 2 && plan.root.join(&path).is_dir() {
                continue;
            }
            let entry = found.entry((stage.clone(), path.clone())).or_insert_with(|| {
                let home = tools::home(&plan.root, &path);
                let help = home.map_or_else(|| declaration(plan, &path), use_of);
                Unseen { stage: stage.clone(), instances: 0, path, help }
            });
            entry.instances += 1;
        }
    }
    found.into_values().collect()
}

/// A script without the lines that say nothing to its interpreter, `#` of shells and Python.
fn without_comments(script: &str) -> String {
    let lines = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

fn use_of(tools: &Path) -> String {
    format!("write `tools: [{}]`, on the stage or for the whole file", tools.display())
}

/// A tool of the project that no path in the log names.
fn tool(plan: &Plan, command: &Command, log: &str) -> Option<String> {
    let declared = command.environment.get("PATH").cloned().flatten().map(OsString::from);
    let search = declared.or_else(|| std::env::var_os("PATH"))?;
    let (why, home) = tools::wanted(&plan.root, &command.tools, (log, &script(command)), &search)?;
    Some(format!("{why}, out of sight of a command; {}", use_of(&home)))
}

/// Other paths that the confinement closes: the project and the directories above it can be neither listed nor written in directly.
fn closed(root: &Path, log: &str) -> Option<String> {
    if log.contains("no new privileges") {
        return Some(
            "a command cannot gain rights by `sudo` or another set-user-id program; `sandbox: false` lifts that"
                .to_owned(),
        );
    }
    let root = root.canonicalize().ok()?;
    let above = |path: &Path| root.starts_with(path);
    let denied = log.lines().filter(|line| line.contains("ermission denied"));
    let path = denied.flat_map(words).map(PathBuf::from).find(|path| {
        let made = !path.exists() && (path.starts_with(&root) || path.parent().is_some_and(above));
        path.is_absolute() && (above(path) || made)
    })?;
    let place = path.display();
    Some(if path == root {
        format!("`{place}` is the project, of which a command sees what it declares: write `in:`, or `sandbox: false`")
    } else if path.starts_with(&root) {
        format!("a command cannot create `{place}` in the project: declare it under `out:`, or use $TMPDIR")
    } else if above(&path) {
        format!(
            "`{place}` leads to the project: a command can list it as little as the project itself; name what it needs there"
        )
    } else {
        format!(
            "a command cannot create `{place}`, since that directory leads to the project: create it once before the run, use \
             $TMPDIR, or write `sandbox: false`"
        )
    })
}

/// How to declare `path`.
fn declaration(plan: &Plan, path: &Path) -> String {
    let producer = plan.graph.node_weights().find_map(|producer| {
        let output = producer.outputs.iter().find(|output| path.starts_with(&output.destination))?;
        Some(format!("{}.{}", producer.name, output.port))
    });
    match producer {
        Some(reference) => format!("write `in: {{NAME: {reference}}}`"),
        None => format!("write `in: {{NAME: {{path: {}}}}}`", path.display()),
    }
}

fn missing(text: &str, plan: &Plan, store: &Store, stage: &PlannedStage) -> BTreeSet<PathBuf> {
    let declared = |path: &Path| {
        let inputs = stage.inputs.iter().any(|input| path.starts_with(&input.mount) || input.mount.starts_with(path));
        let used = match &stage.work {
            Work::Command(command) => command.tools.iter().any(|tool| path.starts_with(&tool.path)),
            Work::Card { .. } => false,
        };
        inputs
            || used
            || stage.outputs.iter().any(|o| path.starts_with(&o.destination) || o.destination.starts_with(path))
    };
    let plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    words(text)
        .map(|word| PathBuf::from(word).strip_prefix(&plan.root).map_or_else(|_| PathBuf::from(word), Path::to_owned))
        .filter(|path| !path.as_os_str().is_empty() && plain(path) && !declared(path))
        .filter(|path| real(&plan.root.join(path)).is_some_and(|path| !path.starts_with(store.root())))
        .collect()
}

/// The words of a log or a script that may be paths or names of programs.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c.is_whitespace() || "'\"`‘’“”()[]{}<>|;&=,".contains(c));
    let words = words.map(|word| word.trim_end_matches([':', '.']).trim_start_matches("./"));
    words.filter(|word| !word.is_empty() && word.len() < 4096)
}

fn script(command: &Command) -> String {
    match &command.script {
        Script::Text(text) => text.text.clone(),
        Script::Argv(words) => words.join("\n"),
    }
}

pub(super) fn tail(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
