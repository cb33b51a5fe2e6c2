//! The private directory of one execution: inputs in place, output paths prepared, job file written.
//!
//! ```text
//! work/<process>/<stage>/   card: job.json in/<port> out/<port> scratch/ worker/     command: root/<mounts and outputs> tmp/ script lists/
//! ```
//! A command with `sandbox: false` runs at the project root instead of in `root/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use contract::{Card, Job, JobInput, Limits};

use super::script;
use super::spoiled::{self, PlacedInput, Source, Unprepared};
use crate::backend::{Private, Program, Protocol, Sight};
use crate::engine::fault::Fault;
use crate::engine::resolve::Resolved;
use crate::engine::{EngineError, Shared, bounds, publishing};
use crate::governor;
use crate::plan::command::{as_word, list_word};
use crate::plan::interpolate::shell_word;
use crate::plan::{Command, InputSource, PlannedStage, Sandbox, Script, StageId, Tool, Work};
use crate::store::{Artifact, Placement, StoreError, StoreErrorKind};

/// A prepared directory and the program to start in it.
pub(crate) struct Prepared {
    pub directory: PathBuf,
    pub program: Program,
    pub protocol: Protocol,
    pub sight: Sight,
    /// Where each output must lie afterwards, in the stage's order.
    pub outputs: Vec<PathBuf>,
    /// What it reads.
    pub inputs: Vec<PlacedInput>,
    /// What to say of files that were in the way of a command which writes in the workspace.
    pub displaced: Vec<String>,
}

/// Makes the directory anew, places the inputs and writes the job.
pub(crate) fn prepare(
    shared: &Shared,
    stage: StageId,
    resolved: &Resolved,
    placement: Placement,
) -> Result<Prepared, Unprepared> {
    let planned = &shared.plan.graph[stage];
    let name = planned.name.as_str();
    let directory = shared.store.work_dir(name).map_err(EngineError::store)?;
    match &planned.work {
        Work::Card { card, params, .. } => {
            prepare_card(shared, planned, card, params, (resolved, placement), directory)
        }
        Work::Command(command) => prepare_command(shared, planned, command, (resolved, placement), directory),
    }
}

fn prepare_card(
    shared: &Shared,
    stage: &PlannedStage,
    card: &Card,
    params: &serde_json::Value,
    (resolved, placement): (&Resolved, Placement),
    directory: PathBuf,
) -> Result<Prepared, Unprepared> {
    let failed = |error| Fault::of_preparation(&shared.store, stage, &directory, error);
    let place = |source, artifact: &Artifact, path: &Path| {
        spoiled::place(shared, source, artifact, path, placement)
            .map_err(|error| spoiled::unplaced(source, error, failed))
    };
    let (inputs_dir, outputs_dir, scratch) = (directory.join("in"), directory.join("out"), directory.join("scratch"));
    for new in [&inputs_dir, &outputs_dir, &scratch] {
        create(new).map_err(failed)?;
    }
    let (mut inputs, mut placed) = (BTreeMap::new(), Vec::new());
    for (at, (planned, artifact)) in stage.inputs.iter().zip(&resolved.inputs).enumerate() {
        let port = planned.port.as_str();
        let of_port: &mut Vec<JobInput> = inputs.entry(port.to_owned()).or_default();
        // Labels hold what file names should not, so several of one port are numbered.
        let path = match planned.label {
            Some(_) => inputs_dir.join(port).join(of_port.len().to_string()),
            None => inputs_dir.join(port),
        };
        placed.push(place(Source::Input(at), artifact, &path)?);
        let label = planned.label.clone();
        of_port.push(JobInput { label, path, artifact: planned.artifact, digest: artifact.digest });
    }
    let outputs: Vec<_> = stage.outputs.iter().map(|output| outputs_dir.join(output.port.as_str())).collect();
    let named = stage.outputs.iter().map(|output| output.port.as_str().to_owned()).zip(outputs.iter().cloned());
    let job = Job {
        kind: card.kind.clone(),
        version: card.version,
        params: params.clone(),
        inputs,
        outputs: named.collect(),
        scratch: scratch.clone(),
        checkpoints: shared.store.checkpoint_dir(&resolved.key).map_err(EngineError::store)?,
        limits: Limits { threads: threads(stage), memory: stage.resources.memory },
        trace: format!("{}/{}", shared.options.run, stage.name),
    };
    let job_file = directory.join("job.json");
    let text = serde_json::to_vec_pretty(&job).map_err(|e| EngineError::system("writing a job", e.into()))?;
    fs::write(&job_file, text).map_err(|e| EngineError::system("writing a job", e))?;
    let mut argv: Vec<OsString> = match &card.worker {
        contract::Worker::Program(worker) => vec![worker_path(worker).into_os_string()],
        contract::Worker::Command(worker) => {
            let home = directory.join("worker");
            for (at, (name, artifact)) in resolved.worker_files.iter().enumerate() {
                placed.push(place(Source::WorkerFile(at), artifact, &home.join(name))?);
            }
            let in_place = |word: &String| {
                let is_file = worker.files.iter().any(|file| file.as_os_str() == word.as_str());
                if is_file { home.join(word).into_os_string() } else { word.into() }
            };
            worker.argv.iter().map(in_place).collect()
        }
    };
    argv.extend(["run".into(), job_file.into_os_string()]);
    let program = Program { argv, cwd: directory.clone(), environment: base_environment(&scratch) };
    let (protocol, sight, displaced) = (Protocol::Worker, Sight::Open, Vec::new());
    Ok(Prepared { directory, program, protocol, sight, outputs, inputs: placed, displaced })
}

fn prepare_command(
    shared: &Shared,
    stage: &PlannedStage,
    command: &Command,
    (resolved, placement): (&Resolved, Placement),
    directory: PathBuf,
) -> Result<Prepared, Unprepared> {
    let failed = |error| Fault::of_preparation(&shared.store, stage, &directory, error);
    let temporary = directory.join("tmp");
    create(&temporary).map_err(failed)?;
    let root = match command.sandbox {
        Sandbox::Private => directory.join("root"),
        Sandbox::Workspace => shared.plan.root.clone(),
    };
    let outputs: Vec<_> = stage.outputs.iter().map(|output| root.join(&output.destination)).collect();
    let (mut displaced, mut inputs) = (Vec::new(), Vec::new());
    let artifacts = stage.inputs.iter().zip(&resolved.inputs).enumerate();
    match command.sandbox {
        Sandbox::Private => {
            create(&root).map_err(failed)?;
            for (at, (planned, artifact)) in artifacts {
                let (source, path) = (Source::Input(at), root.join(&planned.mount));
                let placed = spoiled::place(shared, source, artifact, &path, placement);
                inputs.push(placed.map_err(|error| spoiled::unplaced(source, error, failed))?);
            }
            link_tools(&command.tools, &shared.plan.root, &root)?;
        }
        // Its inputs lie where they are. What we published where it will write is a link to the store's own object.
        Sandbox::Workspace => {
            for (at, (planned, artifact)) in artifacts {
                if let InputSource::Stage { stage, port } = &planned.source {
                    let source = Source::Input(at);
                    let watched = spoiled::watch(shared, source, artifact, (*stage, port));
                    inputs.push(watched.map_err(|error| spoiled::unplaced(source, error, failed))?);
                }
            }
            for output in &stage.outputs {
                bounds::writing(&shared.plan, &shared.store, output).map_err(failed)?;
                displaced.extend(publishing::begin(shared, &output.destination).map_err(failed)?);
            }
        }
    }
    for output in &outputs {
        create(output.parent().unwrap_or(&root)).map_err(failed)?;
    }
    let script = listed(shared, stage, command, &directory)?;
    let declared = command.environment.iter().filter_map(|(name, value)| Some((name.into(), value.as_ref()?.into())));
    let declared: Vec<(OsString, OsString)> = declared.collect();
    let mut environment = base_environment(&temporary);
    let argv = match &*script {
        Script::Text(text) => {
            let start = script::lay_out(stage, text, command.sandbox, &directory, &declared);
            let start = start.map_err(|e| EngineError::system("writing a script", e))?;
            environment.extend(declared);
            environment.extend(start.environment);
            start.argv
        }
        Script::Argv(words) => {
            environment.extend(declared);
            words.iter().map(OsString::from).collect()
        }
    };
    let program = Program { argv, cwd: root, environment };
    let sight = match command.sandbox {
        Sandbox::Private => {
            let tools = command.tools.iter().map(|tool| shared.plan.root.join(&tool.path)).collect();
            Sight::Private(Private { directory: directory.clone(), tools })
        }
        Sandbox::Workspace => Sight::Open,
    };
    Ok(Prepared { directory, program, protocol: Protocol::Plain, sight, outputs, inputs, displaced })
}

/// The script, after the files that it reads the paths of its ports from were written.
fn listed<'c>(
    shared: &Shared,
    stage: &PlannedStage,
    command: &'c Command,
    directory: &Path,
) -> Result<Cow<'c, Script>, EngineError> {
    let mut script = Cow::Borrowed(&command.script);
    if command.lists.is_empty() {
        return Ok(script);
    }
    let lists = directory.join("lists");
    create(&lists).map_err(EngineError::store)?;
    for port in &command.lists {
        let of_port = stage.inputs.iter().filter(|input| input.port == *port);
        let paths: String = of_port.map(|input| as_word(&input.mount) + "\n").collect();
        let path = lists.join(port.as_str());
        fs::write(&path, paths).map_err(|e| EngineError::system("writing a list of paths", e))?;
        if command.sandbox == Sandbox::Workspace {
            let path = path.strip_prefix(&shared.plan.root).unwrap_or(&path).to_string_lossy();
            let word = list_word(port.as_str(), Sandbox::Workspace);
            match script.to_mut() {
                Script::Text(text) => text.text = text.text.replace(&word, &shell_word(&path)),
                Script::Argv(words) => words.iter_mut().for_each(|each| *each = each.replace(&word, &path)),
            }
        }
    }
    Ok(script)
}

/// Puts a link to each tool where it lies in the project, so that `.venv/bin/python` is found from a directory of its own too.
fn link_tools(tools: &[Tool], project: &Path, root: &Path) -> Result<(), EngineError> {
    let mut last: Option<&Path> = None;
    // Sorted: what lies in a tool follows it, and is reached through its link.
    for tool in tools {
        if last.is_some_and(|last| tool.path.starts_with(last)) {
            continue;
        }
        last = Some(&tool.path);
        let place = root.join(&tool.path);
        create(place.parent().unwrap_or(root)).map_err(EngineError::store)?;
        std::os::unix::fs::symlink(project.join(&tool.path), &place)
            .map_err(|e| EngineError::system("linking a stage's tools", e))?;
    }
    Ok(())
}

/// What every program sees besides what its stage declares and what the backend adds. None of it is part of the key.
fn base_environment(temporary: &Path) -> Vec<(OsString, OsString)> {
    let inherited = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let mut environment: Vec<(OsString, OsString)> = inherited.collect();
    environment.push(("TMPDIR".into(), temporary.into()));
    environment
}

/// Cores for one stage: what it asks for, within what there is.
pub(crate) fn threads(stage: &PlannedStage) -> u32 {
    stage.resources.cpus.clamp(1, governor::cores())
}

/// A worker ships beside the engine; one on PATH serves too.
fn worker_path(program: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(program)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(program))
}

fn create(directory: &Path) -> Result<(), StoreError> {
    let made = fs::create_dir_all(directory);
    made.map_err(|error| StoreError { path: directory.to_owned(), kind: StoreErrorKind::from(error) })
}
