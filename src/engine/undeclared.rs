//! What a failed command probably lacked: a path of the project that its log or its script names and that it did not declare.
//!
//! A command sees only its declared inputs, so a forgotten one looks like a missing file. This finds it and says how to declare it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::plan::{Command, Plan, PlannedStage, Sandbox, Script, Work};
use crate::store::Store;

/// Bytes at the end of the log that are looked at.
const TAIL: u64 = 64 << 10;
/// Paths that are named; a command that lacks more is not helped by a longer list.
const NAMED: usize = 3;

/// What to say about a command of `plan` that failed with this log.
pub(super) fn help(plan: &Plan, store: &Store, stage: &PlannedStage, log: &Path) -> Option<String> {
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
        return None;
    }
    let lines = found.iter().take(NAMED).map(|path| format!("`{}`: {}", path.display(), declaration(plan, path)));
    Some(format!(
        "it sees only its declared inputs, and this is in the project but not among them:\n    {}",
        lines.collect::<Vec<_>>().join("\n    ")
    ))
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
    let words = text.split(|c: char| c.is_whitespace() || "'\"`()[]{}<>|;&=,".contains(c));
    let words = words.map(|word| word.trim_end_matches([':', '.']).trim_start_matches("./"));
    let declared = |path: &Path| {
        let inputs = stage.inputs.iter().any(|input| path.starts_with(&input.mount) || input.mount.starts_with(path));
        inputs || stage.outputs.iter().any(|o| path.starts_with(&o.destination) || o.destination.starts_with(path))
    };
    let plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    words
        .filter(|word| !word.is_empty() && word.len() < 4096)
        .map(|word| PathBuf::from(word).strip_prefix(&plan.root).map_or_else(|_| PathBuf::from(word), Path::to_owned))
        .filter(|path| !path.as_os_str().is_empty() && plain(path) && !declared(path))
        .filter(|path| real(&plan.root.join(path)).is_some_and(|path| !path.starts_with(store.root())))
        .collect()
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
