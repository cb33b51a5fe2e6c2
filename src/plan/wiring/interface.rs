//! A stage seen from the outside: its kind and its outputs. All of them are known before the first wire is looked at.

use std::path::PathBuf;
use std::sync::Arc;

use contract::{Card, OutputPort};

use super::ground::Ground;
use super::paths::{Claim, path_text, workspace_path};
use crate::plan::cards::Cards;
use crate::plan::language::interpolate::{Resolving, Scope};
use crate::plan::model::PlannedOutput;
use crate::spec::{OutputSpec, PortName, Problem, StageSpec, suggest};

/// The kind of a pipeline's own program.
pub(crate) const COMMAND: &str = "command";

/// A stage from the outside.
#[derive(Debug)]
pub(crate) struct Interface {
    /// Its kind.
    pub kind: Kind,
    /// Its outputs; empty when the kind is unknown.
    pub outputs: Vec<PlannedOutput>,
}

/// A stage's kind.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A kind with a card.
    Card(Arc<Card>),
    /// The user's own program.
    Command,
    /// There is no such kind; a problem says so, and nothing else is said about the stage's ports.
    Unknown,
}

/// Keys that stand only in a `command`, and keys that stand only elsewhere.
const COMMAND_KEYS: [&str; 6] = ["run", "shell", "out", "env", "sandbox", "tools"];
const CARD_KEYS: [&str; 1] = ["with"];

/// The kind that `stage` uses; reports keys that do not belong to it.
pub(crate) fn kind(stage: &StageSpec, cards: &Cards, problems: &mut Vec<Problem>) -> Kind {
    let Some(uses) = &stage.uses else { return Kind::Unknown };
    if uses.value == COMMAND {
        for key in CARD_KEYS {
            misplaced(stage, key, "a `command` has no params of its own", "write `${params.NAME}` in `run`", problems);
        }
        return Kind::Command;
    }
    match cards.get(&uses.value) {
        Some(Ok(card)) => {
            for key in COMMAND_KEYS {
                let message = format!("`{key}` is for commands; `{}` is defined by its card", uses.value);
                misplaced(stage, key, &message, "remove it, or write `uses: command`", problems);
            }
            Kind::Card(Arc::clone(card))
        }
        Some(Err(error)) => {
            let problem = Problem::at("bad-card", uses.span, error.to_string());
            problems.push(problem.label("this kind cannot be used"));
            Kind::Unknown
        }
        None => {
            let kinds = std::iter::once(COMMAND).chain(cards.kinds());
            let problem = Problem::at("unknown-kind", uses.span, format!("there is no kind `{}`", uses.value));
            problems.push(problem.label("unknown kind").maybe_help(suggest::help(&uses.value, kinds)));
            Kind::Unknown
        }
    }
}

fn misplaced(stage: &StageSpec, key: &str, message: &str, help: &str, problems: &mut Vec<Problem>) {
    if let Some(span) = stage.keys.get(key) {
        problems.push(Problem::at("misplaced-key", *span, message).label("not here").help(help));
    }
}

/// The outputs of a card's stage: `out/<pipeline>/<stage>/<port>`, with the ending of their type.
pub(crate) fn card_outputs(card: &Card, pipeline: &str, stage: &StageSpec) -> Vec<PlannedOutput> {
    let directory: PathBuf = ["out", pipeline, stage.name.value.as_str()].iter().collect();
    let output = |port: &contract::OutputPort| PlannedOutput {
        port: PortName::new(port.name.clone()),
        artifact: port.artifact,
        destination: directory.join(file_name(port)),
    };
    card.outputs.iter().map(output).collect()
}

/// The port's name, ending as files of its type do: a browser shows `report.html` and prints `report`.
fn file_name(port: &OutputPort) -> String {
    port.artifact.extension().map_or_else(|| port.name.clone(), |extension| format!("{}.{extension}", port.name))
}

/// The outputs of a command: the workspace paths it declares. One whose path is broken keeps its port, so that wires to it
/// cause no further problem; its destination is empty.
pub(crate) fn command_outputs(
    stage: &StageSpec,
    resolving: &mut Resolving<'_>,
    scope: &Scope<'_>,
) -> Vec<PlannedOutput> {
    let mut output = |spec: &OutputSpec| PlannedOutput {
        port: spec.port.value.clone(),
        artifact: spec.artifact,
        destination: destination(spec, resolving, scope).unwrap_or_default(),
    };
    stage.outputs.iter().map(&mut output).collect()
}

fn destination(spec: &OutputSpec, resolving: &mut Resolving<'_>, scope: &Scope<'_>) -> Option<PathBuf> {
    let node = resolving.expand(spec.path.as_ref()?, scope);
    let text = path_text(&node, "output", resolving.problems)?;
    if text.len() > 1 && text.ends_with('/') {
        let problem = Problem::at("bad-path", node.span, format!("output `{text}` ends with `/`"));
        let help = format!("write {{path: {}, type: dir}} for a directory", text.trim_end_matches('/'));
        resolving.problems.push(problem.label("not a file's path").help(help));
        return None;
    }
    workspace_path(text, "output", node.span, resolving.problems)
}

/// Where the outputs of a stage appear; reports those that may not be there.
pub(crate) fn claims(
    at: usize,
    stage: &StageSpec,
    interface: &Interface,
    ground: &Ground,
    problems: &mut Vec<Problem>,
) -> Vec<Claim> {
    let span = |port: &PortName| {
        let spec = stage.outputs.iter().find(|spec| spec.port.value == *port);
        spec.and_then(|spec| spec.path.as_ref()).map_or(stage.name.span, |path| path.span)
    };
    let placed = interface.outputs.iter().filter(|output| !output.destination.as_os_str().is_empty());
    let claim = |output: &PlannedOutput| {
        let span = span(&output.port);
        let path = ground.output(&output.destination, span).map_err(|problem| problems.push(*problem)).ok()?;
        let (written, port) = (output.destination.clone(), output.port.clone());
        Some(Claim { path, written, stage: at, stage_name: stage.name.value.clone(), port, span })
    };
    placed.filter_map(claim).collect()
}
