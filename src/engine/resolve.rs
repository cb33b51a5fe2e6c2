//! From a planned stage and the artifacts it reads to an action and its key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::types::Form;
use contract::{Card, Digest, Worker};

use super::fault::Fault;
use super::{EngineError, FailureReport, bounds};
use crate::action::canonical::Encoder;
use crate::action::{self, Action, ActionInput, ActionKey, ActionScript, ActionShell, ActionWork};
use crate::plan::{InputSource, Plan, PlannedInput, PlannedStage, Sandbox, Script, StageId, Text, Work};
use crate::spec::{LinkRule, PortName, Shell};
use crate::store::{Artifact, LinksIn, Record, Shape, Store, StoreError};

/// The results of settled stages, by stage.
#[derive(Clone, Debug)]
pub struct Known(Vec<Option<Gift>>);

/// The result that a settled stage leaves to others.
#[derive(Clone, Debug)]
enum Gift {
    /// It gave this.
    Outputs { outputs: BTreeMap<PortName, Artifact>, metrics: BTreeMap<String, f64> },
    /// Its record says that it gave this, and something is still to be done for it: what needs it can be looked up already.
    Promised { outputs: BTreeMap<PortName, Artifact>, metrics: BTreeMap<String, f64> },
    /// It was not wanted.
    Skipped,
}

impl Known {
    /// Nothing is known yet.
    pub fn new(plan: &Plan) -> Known {
        Known(plan.graph.node_indices().map(|_| None).collect())
    }

    /// Whether the stage gave its outputs.
    pub fn has(&self, stage: StageId) -> bool {
        matches!(self.0[stage.index()], Some(Gift::Outputs { .. }))
    }

    /// Whether the stage was skipped.
    pub fn is_skipped(&self, stage: StageId) -> bool {
        matches!(self.0[stage.index()], Some(Gift::Skipped))
    }

    /// Whether nothing remains to be done for the stage.
    pub fn is_settled(&self, stage: StageId) -> bool {
        self.has(stage) || self.is_skipped(stage)
    }

    /// Notes the outputs of a stage. Returns whether they differ from its former ones.
    pub fn insert(&mut self, stage: StageId, record: &Record) -> bool {
        let outputs = outputs_of(record);
        let other = self.outputs(stage).is_some_and(|former| *former != outputs);
        self.0[stage.index()] = Some(Gift::Outputs { outputs, metrics: record.metrics.clone() });
        other
    }

    /// Notes what a stage gave for which something is still to be done.
    pub fn promise(&mut self, stage: StageId, record: &Record) {
        self.0[stage.index()] = Some(Gift::Promised { outputs: outputs_of(record), metrics: record.metrics.clone() });
    }

    /// Notes that a stage was skipped.
    pub fn skip(&mut self, stage: StageId) {
        self.0[stage.index()] = Some(Gift::Skipped);
    }

    /// The last value of a metric of a stage that gave its outputs, replayed from its record where it was a hit.
    pub fn metric(&self, stage: StageId, name: &str) -> Option<f64> {
        match self.0[stage.index()].as_ref()? {
            Gift::Outputs { metrics, .. } | Gift::Promised { metrics, .. } => metrics.get(name).copied(),
            Gift::Skipped => None,
        }
    }

    /// The names of its metrics, for people.
    pub fn metrics(&self, stage: StageId) -> String {
        match &self.0[stage.index()] {
            Some(Gift::Outputs { metrics, .. } | Gift::Promised { metrics, .. }) if !metrics.is_empty() => {
                let names: Vec<_> = metrics.keys().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
            _ => "no metrics".to_owned(),
        }
    }

    /// An output of a stage that gave it.
    pub(super) fn artifact(&self, stage: StageId, port: &PortName) -> Option<&Artifact> {
        self.outputs(stage)?.get(port)
    }

    fn outputs(&self, stage: StageId) -> Option<&BTreeMap<PortName, Artifact>> {
        match self.0[stage.index()].as_ref()? {
            Gift::Outputs { outputs, .. } | Gift::Promised { outputs, .. } => Some(outputs),
            Gift::Skipped => None,
        }
    }
}

fn outputs_of(record: &Record) -> BTreeMap<PortName, Artifact> {
    let outputs = record.outputs.iter().map(|(port, artifact)| (PortName::new(port.as_str()), artifact.clone()));
    outputs.collect()
}

/// A stage with everything resolved.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The action.
    pub action: Action,
    /// Its key.
    pub key: ActionKey,
    /// The artifact behind each of the stage's inputs, in their order.
    pub inputs: Vec<Artifact>,
    /// The files of a worker that does not ship with the engine, by their names on its card.
    pub worker_files: Vec<(PathBuf, Artifact)>,
}

/// Why a stage cannot be resolved.
#[derive(Debug)]
pub(crate) enum Unresolved {
    /// The outputs of this stage are not known yet.
    WaitsFor(StageId),
    /// One of its files cannot be read: it would fail.
    Refused(FailureReport),
}

/// The treatment of workspace inputs while resolving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// Learns their digests: all that a look-up needs.
    Identified,
    /// Takes them into the store, so that the key is that of the bytes the stage will read.
    Ingested,
}

/// Resolves `stage`, or says why that is not possible.
pub(crate) fn resolve(
    plan: &Plan,
    stage: StageId,
    known: &Known,
    store: &Store,
    sources: Sources,
) -> Result<Result<Resolved, Unresolved>, EngineError> {
    let planned = &plan.graph[stage];
    let mut inputs = Vec::with_capacity(planned.inputs.len());
    for input in &planned.inputs {
        let artifact = match &input.source {
            InputSource::Stage { stage: producer, port } => match known.artifact(*producer, port) {
                Some(artifact) => artifact.clone(),
                None => return Ok(Err(Unresolved::WaitsFor(*producer))),
            },
            InputSource::Path(path) => match read_input(plan, store, path, input, sources) {
                Ok(artifact) => artifact,
                Err(error) => return unreadable(Fault::of_input(plan, store, planned, input, error)),
            },
        };
        inputs.push(artifact);
    }
    let Own { worker_files, tools } = match own(plan, planned, store, sources) {
        Ok(own) => own,
        Err(fault) => return unreadable(fault),
    };
    let action = action_of(planned, planned.inputs.iter().zip(&inputs), &worker_files, tools);
    Ok(Ok(Resolved { key: action.key(), action, inputs, worker_files }))
}

/// The action of a stage that waits for others, without the inputs that they would give; `None` where it cannot be resolved.
pub(crate) fn without_waiting(plan: &Plan, stage: StageId, known: &Known, store: &Store) -> Option<Action> {
    let planned = &plan.graph[stage];
    let mut inputs = Vec::new();
    for input in &planned.inputs {
        let artifact = match &input.source {
            InputSource::Stage { stage, port } => known.artifact(*stage, port).cloned(),
            InputSource::Path(path) => Some(read_input(plan, store, path, input, Sources::Identified).ok()?),
        };
        inputs.extend(artifact.map(|artifact| (input, artifact)));
    }
    let Own { worker_files, tools } = own(plan, planned, store, Sources::Identified).ok()?;
    Some(action_of(planned, inputs.iter().map(|(input, artifact)| (*input, artifact)), &worker_files, tools))
}

/// The digests that a stage needs besides its inputs.
struct Own {
    worker_files: Vec<(PathBuf, Artifact)>,
    tools: BTreeMap<String, Digest>,
}

fn own(plan: &Plan, planned: &PlannedStage, store: &Store, sources: Sources) -> Result<Own, Fault> {
    let mut worker_files = Vec::new();
    if let Work::Card { card, path: Some(path), .. } = &planned.work
        && let Worker::Command(worker) = &card.worker
    {
        for file in &worker.files {
            match read(store, &path.with_file_name(file), Form::File, sources) {
                Ok(artifact) => worker_files.push((file.clone(), artifact)),
                Err(error) => return Err(Fault::of_worker(plan, store, planned, error)),
            }
        }
    }
    let mut tools = BTreeMap::new();
    if let Work::Command(command) = &planned.work {
        for tool in &command.tools {
            let Some(key) = &tool.key else { continue };
            match read(store, &plan.root.join(key), Form::File, Sources::Identified) {
                Ok(content) => tools.insert(tool.path.to_string_lossy().into_owned(), content.digest),
                Err(error) => return Err(Fault::of_tool(store, planned, error)),
            };
        }
    }
    Ok(Own { worker_files, tools })
}

fn read(store: &Store, path: &Path, form: Form, sources: Sources) -> Result<Artifact, StoreError> {
    match sources {
        Sources::Identified => store.identify(path, form, LinksIn::Kept),
        Sources::Ingested => store.ingest(path, form),
    }
}

/// The input at `path`, relative to the root, with links in it followed where that is wanted.
fn read_input(
    plan: &Plan,
    store: &Store,
    path: &Path,
    input: &PlannedInput,
    sources: Sources,
) -> Result<Artifact, StoreError> {
    let off_limits = match input.links {
        LinkRule::Keep => Vec::new(),
        LinkRule::Follow => bounds::off_limits(plan, store),
    };
    let refuses = |place: &Path| bounds::refusal(&off_limits, place);
    let links = match input.links {
        LinkRule::Keep => LinksIn::Kept,
        LinkRule::Follow => LinksIn::Followed(&refuses),
    };
    let (path, form) = (plan.root.join(path), input.artifact.form());
    match sources {
        Sources::Identified => store.identify(&path, form, links),
        Sources::Ingested => store.ingest_with(&path, form, links),
    }
}

fn unreadable(fault: Fault) -> Result<Result<Resolved, Unresolved>, EngineError> {
    match fault {
        Fault::Stage(failure) => Ok(Err(Unresolved::Refused(failure))),
        Fault::Engine(error) => Err(error),
    }
}

/// Whether the workspace inputs of a command that ran among them still are those of its key. Other stages read copies.
pub(crate) fn still_there(
    plan: &Plan,
    stage: StageId,
    resolved: &Resolved,
    store: &Store,
) -> Result<bool, EngineError> {
    let planned = &plan.graph[stage];
    if !matches!(&planned.work, Work::Command(command) if command.sandbox == Sandbox::Workspace) {
        return Ok(true);
    }
    for (input, artifact) in planned.inputs.iter().zip(&resolved.inputs) {
        let InputSource::Path(path) = &input.source else { continue };
        // One that is gone or cannot be read has changed.
        let now = read_input(plan, store, path, input, Sources::Identified);
        if !now.is_ok_and(|now| now.digest == artifact.digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn action_of<'a>(
    stage: &PlannedStage,
    artifacts: impl Iterator<Item = (&'a PlannedInput, &'a Artifact)>,
    worker_files: &[(PathBuf, Artifact)],
    tools: BTreeMap<String, Digest>,
) -> Action {
    let is_command = matches!(stage.work, Work::Command(_));
    let mut inputs: BTreeMap<String, Vec<ActionInput>> = BTreeMap::new();
    for (planned, artifact) in artifacts {
        let executable = is_command && artifact.shape == Shape::File { executable: true };
        let mount = if is_command { planned.mount.to_string_lossy().into_owned() } else { String::new() };
        let input = ActionInput {
            label: planned.label.clone(),
            artifact: planned.artifact,
            digest: artifact.digest,
            executable,
            mount,
        };
        inputs.entry(planned.port.as_str().to_owned()).or_default().push(input);
    }
    Action { format: action::FORMAT, work: work_of(stage, worker_files, tools), inputs }
}

/// The digest of a worker that does not ship with the engine: its argument vector and the content of its files.
fn program_of(card: &Card, files: &[(PathBuf, Artifact)]) -> Option<Digest> {
    let Worker::Command(worker) = &card.worker else { return None };
    let mut encoder = Encoder::new("pipe worker");
    encoder.count(worker.argv.len());
    worker.argv.iter().fold(&mut encoder, |e, word| e.text(word));
    encoder.count(files.len());
    for (name, artifact) in files {
        let executable = artifact.shape == Shape::File { executable: true };
        encoder.bytes(name.as_os_str().as_encoded_bytes()).digest(&artifact.digest).flag(executable);
    }
    Some(encoder.finish())
}

/// A text and the shell that runs it. A form that the former engine knew keeps its former key.
fn text_of(text: &str, shell: &Shell) -> ActionScript {
    let text = text.to_owned();
    let shell = match shell {
        Shell::Bash => ActionShell::Bash,
        Shell::Sh => ActionShell::Sh,
        Shell::Words(words) if *words == ["/bin/sh", "-c"] => return ActionScript::Shell(text),
        Shell::Words(words) => ActionShell::Words(words.clone()),
    };
    ActionScript::Text { text, shell }
}

fn work_of(stage: &PlannedStage, worker_files: &[(PathBuf, Artifact)], tools: BTreeMap<String, Digest>) -> ActionWork {
    match &stage.work {
        Work::Card { card, params, .. } => {
            let program = program_of(card, worker_files);
            ActionWork::Card { kind: card.kind.clone(), version: card.version, params: params.clone(), program }
        }
        Work::Command(command) => ActionWork::Command {
            script: match &command.script {
                Script::Text(Text { text, shell, .. }) => text_of(text, shell),
                Script::Argv(words) => ActionScript::Argv(words.clone()),
            },
            environment: command.environment.clone(),
            in_workspace: command.sandbox == Sandbox::Workspace,
            outputs: stage
                .outputs
                .iter()
                .map(|output| {
                    let path = output.destination.to_string_lossy().into_owned();
                    (output.port.as_str().to_owned(), (path, output.artifact))
                })
                .collect(),
            tools,
        },
    }
}
