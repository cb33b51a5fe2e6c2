//! The candidates at the cursor: a completer for each sort of argument. Each is attached to its flag where that is declared.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap_complete::engine::ValueCompleter;
use clap_complete::{ArgValueCompleter, CompletionCandidate, PathCompleter};

use super::line::{Typed, typed};
use super::past::Past;
use crate::cmd::project::Project;
use crate::config::{Config, Flags};
use crate::plan::outline::{Outline, outline};
use crate::plan::request::find_root;
use crate::plan::{Cards, Request};

/// The key that makes a YAML file a pipeline stands within this many bytes.
const HEAD: u64 = 16 << 10;
/// Files beyond so many are not looked into.
const LOOKED_INTO: usize = 200;

/// Pipeline files.
pub(crate) fn pipelines() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = PathCompleter::any().filter(is_pipeline).complete(current);
        let named: BTreeSet<_> = found.iter().map(|candidate| candidate.get_value().to_owned()).collect();
        // Those of the project are offered at once, without walking into their directory.
        let near = nearby().into_iter().filter(|file| !named.contains(file.as_os_str()));
        found.splice(0..0, starting(near.map(CompletionCandidate::new), current));
        found
    })
}

/// Any file, for values that the user names freely.
pub(crate) fn files() -> ArgValueCompleter {
    ArgValueCompleter::new(PathCompleter::any())
}

/// Directories.
pub(crate) fn directories() -> ArgValueCompleter {
    ArgValueCompleter::new(PathCompleter::dir())
}

/// Stages of the pipeline, for arguments that a family of instances or an included file can be given to as well.
pub(crate) fn stages() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(outline) = of_line() else { return Vec::new() };
        let current = current.to_string_lossy();
        let mut names: Vec<(&str, &str)> = Vec::new();
        let mut seen = BTreeSet::new();
        for stage in &outline.stages {
            match &stage.family {
                None => names.push((&stage.name, &stage.kind)),
                Some(family) => {
                    if seen.insert(family) {
                        names.push((family, &stage.kind));
                    }
                    // There may be hundreds of them: only for somebody who has typed the family's name.
                    if current.starts_with(family.as_str()) {
                        names.push((&stage.name, &stage.kind));
                    }
                }
            }
        }
        names.extend(outline.prefixes.iter().map(|prefix| (prefix.as_str(), "every stage of this file")));
        starting(names.into_iter().map(helped), OsStr::new(current.as_ref()))
    })
}

/// Stages of the pipeline, for arguments that take one.
pub(crate) fn stage() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| one_stage(current, of_line().as_ref()))
}

/// Stages of an earlier run: those that it has something of.
pub(crate) fn past_stage() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| past_stages(current).unwrap_or_default())
}

/// A stage of an earlier run, or one of its outputs once the stage is typed.
pub(crate) fn past_output() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = past_stages(current).unwrap_or_default();
        let report = past().report(run_of(typed()));
        for (name, stage) in report.iter().flat_map(|report| &report.stages) {
            if current.to_string_lossy().strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.')) {
                let ports = stage.outputs.keys().map(|port| CompletionCandidate::new(format!("{name}.{port}")));
                found.extend(starting(ports, current));
            }
        }
        found
    })
}

/// The names that can be pinned: stages of the last run, and runs.
pub(crate) fn pinned() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = past_stages(current).unwrap_or_default();
        found.extend(run_names(current));
        found
    })
}

/// Params of the pipeline with the values they have, and behind `=` that value.
pub(crate) fn params() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(outline) = of_line() else { return Vec::new() };
        let text = current.to_string_lossy();
        // `params.seed` is another way to write it.
        let form = if text.starts_with("params.") { "params." } else { "" };
        let Some((name, _)) = text.split_once('=') else {
            let names = outline.params.iter().map(|(name, value)| (format!("{form}{name}="), value.clone()));
            return starting(names.map(helped), current);
        };
        let param = outline.params.iter().find(|(param, _)| Some(param.as_str()) == name.strip_prefix(form));
        let values = match param.map(|(_, value)| value.as_str()) {
            Some("true" | "false") => vec!["true", "false"],
            value => value.into_iter().collect(),
        };
        starting(values.into_iter().map(|value| CompletionCandidate::new(format!("{name}={value}"))), current)
    })
}

/// Kinds of stages.
pub(crate) fn kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        // A card that cannot be read leaves those that ship with the engine.
        let cards = Cards::with(&config().cards.value).unwrap_or_else(|_| Cards::built_in());
        let cards: Vec<_> = cards.iter().flatten().map(|card| (card.kind.clone(), card.summary.clone())).collect();
        starting(cards.into_iter().map(helped), current)
    })
}

/// Runs.
pub(crate) fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(run_names)
}

/// Names of pipelines that have run.
pub(crate) fn past_pipelines() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names: BTreeSet<String> = past().runs().filter_map(|(_, pipeline)| pipeline).collect();
        starting(names.into_iter().map(CompletionCandidate::new), current)
    })
}

/// `NAME=OTHER` of backends.
pub(crate) fn backends() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let config = config();
        let names = || std::iter::once("local").chain(config.backends.keys().map(String::as_str));
        let all: Vec<String> = match current.to_string_lossy().split_once('=') {
            None => names().map(|name| format!("{name}=")).collect(),
            Some((name, _)) => names().filter(|other| *other != name).map(|other| format!("{name}={other}")).collect(),
        };
        starting(all.into_iter().map(CompletionCandidate::new), current)
    })
}

fn one_stage(current: &OsStr, outline: Option<&Outline>) -> Vec<CompletionCandidate> {
    let stages = outline.into_iter().flat_map(|outline| &outline.stages);
    starting(stages.map(|stage| helped((&stage.name, &stage.kind))), current)
}

fn past_stages(current: &OsStr) -> Option<Vec<CompletionCandidate>> {
    let line = typed();
    // Without a report a run may still go on, and its stages have logs.
    let report = line.first("file").is_none().then(|| past().report(run_of(line))).flatten();
    let Some(report) = report else { return Some(one_stage(current, Some(&of_line()?))) };
    let told = report.stages.iter().map(|(name, stage)| (name.to_string(), format!("{:?}", stage.outcome)));
    Some(starting(told.map(|(name, outcome)| helped((name, outcome.to_lowercase()))), current))
}

fn run_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let past = past();
    let ended = past.ended();
    let mut names = Vec::new();
    if ended > 0 {
        names.push(helped(("last", "the newest run")));
    }
    if ended > 1 {
        names.push(helped(("last~1", "the one before")));
    }
    let ids = past.runs().map(|(id, pipeline)| (id.to_owned(), pipeline.unwrap_or_default()));
    starting(names.into_iter().chain(ids.map(helped)), current)
}

fn run_of(line: &Typed) -> Option<&str> {
    line.first("run").and_then(OsStr::to_str)
}

fn past() -> Past {
    Past::of(&config().store.value)
}

/// The settings; those that hold where nothing is set when they cannot be read.
fn config() -> Config {
    let flags = Flags { store: typed().first("store").map(Into::into), ..Flags::default() };
    Project::find(&flags).map_or_else(|_| Config::new(&root()), |project| project.config)
}

fn root() -> PathBuf {
    find_root(&std::env::current_dir().unwrap_or_default()).to_owned()
}

/// The names in the pipeline that the line means: the one it gives, else that of the last run, else the only one there is.
fn of_line() -> Option<Outline> {
    let line = typed();
    let named = line.first("file").or_else(|| line.first("files")).map(PathBuf::from);
    let last = || past().last().map(|headline| root().join(headline.file)).filter(|file| is_pipeline(file));
    let only = || <[PathBuf; 1]>::try_from(nearby()).ok().map(|[file]| file);
    // A fifo would wait for somebody to write.
    let file = named.or_else(last).or_else(only).filter(|file| file.is_file())?;
    let text = |value: &OsStr| value.to_str().map(str::to_owned);
    outline(&Request {
        params: line.all("param_files").map(PathBuf::from).filter(|file| file.is_file()).collect(),
        overrides: line.all("overrides").filter_map(text).collect(),
        ..Request::new(file)
    })
}

/// The pipelines here, at the project root and in its `pipelines/`, as seen from here.
fn nearby() -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let root = root();
    let places = BTreeSet::from([here.clone(), root.join("pipelines"), root]);
    let entries = places.iter().flat_map(|place| std::fs::read_dir(place).into_iter().flatten().flatten());
    let files = entries.map(|entry| entry.path()).filter(|file| is_yaml(file)).take(LOOKED_INTO);
    let mut found: Vec<_> = files.filter(|file| is_pipeline(file)).map(|file| from(&here, &file)).collect();
    found.sort();
    found
}

/// `file` as it is written from `here`: relative, where it lies below.
fn from(here: &Path, file: &Path) -> PathBuf {
    let below = file.strip_prefix(here).map(Path::to_owned);
    let up = |(levels, above): (usize, &Path)| {
        let rest = file.strip_prefix(above).ok()?;
        Some(std::iter::repeat_n(Path::new(".."), levels).collect::<PathBuf>().join(rest))
    };
    below.ok().or_else(|| here.ancestors().enumerate().find_map(up)).unwrap_or_else(|| file.to_owned())
}

fn is_yaml(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Whether this is a YAML file that says `pipeline:`.
fn is_pipeline(file: &Path) -> bool {
    if !is_yaml(file) || !file.is_file() {
        return false;
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let begins = |line: &[u8]| [&b"pipeline:"[..], b"stages:", b"include:"].iter().any(|key| line.starts_with(key));
    read.is_ok() && head.split(|byte| *byte == b'\n').any(begins)
}

fn helped((name, help): (impl Into<String>, impl Into<String>)) -> CompletionCandidate {
    let (name, help) = (name.into(), help.into());
    CompletionCandidate::new(name).help((!help.is_empty()).then(|| help.into()))
}

/// Those that begin with the typed text, and can be typed: a line end within a name would be read as two.
fn starting(all: impl IntoIterator<Item = CompletionCandidate>, current: &OsStr) -> Vec<CompletionCandidate> {
    let begins = |candidate: &CompletionCandidate| {
        let value = candidate.get_value().as_encoded_bytes();
        value.starts_with(current.as_encoded_bytes()) && !value.iter().any(u8::is_ascii_control)
    };
    all.into_iter().filter(begins).collect()
}
