//! Cards that do not ship with the engine: JSON files in the directories that the configuration names.
//!
//! They are read and checked before a pipeline is, so that a broken one is told with its place whether or not it is used.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use contract::{Card, Worker};

use crate::plan::params;
use crate::plan::wiring::interface::COMMAND;
use crate::spec::name::is_valid;
use crate::spec::ports::check_variable;
use crate::spec::{Invalid, Problem, SourceId, Sources, Span, Spanned};

/// A card and where it was found.
#[derive(Debug)]
pub(super) struct Foreign {
    /// The card.
    pub card: Card,
    /// Its file. Files of its worker are relative to the directory of it.
    pub path: PathBuf,
    /// Its text, which identifies it.
    pub document: String,
}

/// The cards in `directories`, in their order, each directory by file name; `taken` are the kinds that exist already.
pub(super) fn load(directories: &[PathBuf], taken: &dyn Fn(&str) -> bool) -> Result<Vec<Foreign>, Invalid> {
    let (mut sources, mut problems, mut cards) = (Sources::default(), Vec::new(), Vec::new());
    let mut places: HashMap<String, PathBuf> = HashMap::new();
    for directory in directories {
        for path in files(directory, &mut problems) {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    problems.push(Problem::general(
                        "unreadable",
                        format!("cannot read the card {}: {error}", path.display()),
                    ));
                    continue;
                }
            };
            let source = sources.add(&path, text.clone());
            match read(source, &text, &path) {
                Ok(card) if card.kind == COMMAND || taken(&card.kind) => {
                    let message = format!("the kind `{}` ships with pipe", card.kind);
                    problems.push(
                        Problem::at("bad-card", find(source, &text, &card.kind), message).help("give it another name"),
                    );
                }
                Ok(card) => match places.insert(card.kind.clone(), path.clone()) {
                    Some(first) => {
                        let message = format!("the kind `{}` is described by {} too", card.kind, first.display());
                        let problem = Problem::at("bad-card", find(source, &text, &card.kind), message);
                        problems.push(problem.label("again here").help("remove one of the two, or rename its kind"));
                    }
                    None => cards.push(Foreign { card, path, document: text }),
                },
                Err(problem) => problems.push(*problem),
            }
        }
    }
    if problems.is_empty() { Ok(cards) } else { Err(Invalid { problems, sources }) }
}

fn files(directory: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("cannot read the directory of cards {}: {error}", directory.display());
            problems
                .push(Problem::general("unreadable", message).help("`pipe config` shows where this setting came from"));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn read(source: SourceId, text: &str, path: &Path) -> Result<Card, Box<Problem>> {
    let bad = |span, message: String| Box::new(Problem::at("bad-card", span, message).label("in this card"));
    let card: Card = serde_json::from_str(text).map_err(|error| bad(place(source, text, &error), words(&error)))?;
    for name in [card.kind.as_str()].into_iter().chain(ports(&card)) {
        if !is_valid(name) {
            let problem = bad(find(source, text, name), format!("{name:?} cannot name a kind or a port"));
            return Err(Box::new(problem.help("a letter, then letters, digits, `-` and `_`; at most 100")));
        }
    }
    if let Some(keyword) = params::unsupported(&card.params) {
        let problem = bad(find(source, text, &keyword), format!("its params use `{keyword}`, which is not checked"));
        return Err(Box::new(problem.help("docs/worker-protocol.md lists the keywords that may be used")));
    }
    let mut problems = Vec::new();
    for name in &card.environment {
        check_variable(&Spanned { value: name.clone(), span: find(source, text, name) }, &mut problems);
    }
    if let Some(problem) = problems.into_iter().next() {
        return Err(Box::new(problem));
    }
    let Worker::Command(worker) = &card.worker else { return Ok(card) };
    if worker.argv.is_empty() {
        return Err(bad(find(source, text, "argv"), "its worker has no program".to_owned()));
    }
    for file in &worker.files {
        let name = file.to_string_lossy();
        let plain = file.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || file.as_os_str().is_empty() {
            let problem =
                bad(find(source, text, &name), format!("the file `{name}` of its worker leaves the card's directory"));
            return Err(Box::new(problem.help("name files beside the card, or below it")));
        }
        if !path.with_file_name("").join(file).is_file() {
            return Err(bad(find(source, text, &name), format!("the file `{name}` of its worker is not there")));
        }
    }
    Ok(card)
}

fn ports(card: &Card) -> impl Iterator<Item = &str> {
    let inputs = card.inputs.iter().map(|port| port.name.as_str());
    inputs.chain(card.outputs.iter().map(|port| port.name.as_str()))
}

/// The message of serde_json, without the place that the caret shows.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |at| text[..at].to_owned())
}

fn place(source: SourceId, text: &str, error: &serde_json::Error) -> Span {
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let start = text.floor_char_boundary((line + error.column().saturating_sub(1)).min(text.len()));
    let end = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    Span { source, start: start as u32, end: end as u32 }
}

/// Where a string of the document stands, as near as can be told.
fn find(source: SourceId, text: &str, word: &str) -> Span {
    let quoted = format!("\"{word}\"");
    let start = text.find(&quoted).unwrap_or(0);
    Span { source, start: start as u32, end: (start + if start == 0 { 0 } else { quoted.len() }) as u32 }
}
