//! The private directory of one execution: inputs in place, output paths prepared, job file written.
//!
//! ```text
//! work/<process>/<stage>/   card: job.json in/<port> out/<port> scratch/ worker/     command: root/<mounts and outputs> tmp/ script lists/
//! ```
//! A command with `sandbox: false` runs at the project root instead of in `root/`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use contract::{Job, JobInput, Limits};

use super::credentials;
use super::place::Site;
use super::script::{self, Script};
use super::spoiled::{self, PlacedInput, Unprepared};
use crate::action::ActionWork;
use crate::backend::{Private, Program, Protocol, Sight};
use crate::executor::fault::{self, Fault};
use crate::executor::{Device, ExecutorError, Order, Source, Worker};
use crate::governor;
use crate::plan::Sandbox;
use crate::plan::command::{as_word, list_word};
use crate::plan::interpolate::shell_word;
use crate::spec::PortName;
use crate::store::{Artifact, StoreError, StoreErrorKind};

/// A prepared directory and the program to start in it.
pub(super) struct Prepared {
    pub directory: PathBuf,
    pub program: Program,
    pub protocol: Protocol,
    pub sight: Sight,
    /// Where each output must lie afterwards, in the order's order.
    pub outputs: Vec<PathBuf>,
    /// Its inputs.
    pub inputs: Vec<PlacedInput>,
    /// Paths that a worker is told, with those by which the user knows the same things.
    pub known: Vec<(PathBuf, PathBuf)>,
    /// Credentials in variables of the user's that it sees.
    pub hidden: Vec<String>,
}

/// Where a worker keeps its checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checkpoints {
    /// The directory of the action's key: a later execution goes on from its checkpoints.
    OfKey,
    /// In the private directory, and removed with it: checkpoints of a person's trials must not become those of the key.
    Apart,
}

/// Makes the directory anew, places the inputs and writes the job.
pub(super) fn prepare(site: &Site, order: &Order, checkpoints: Checkpoints) -> Result<Prepared, Unprepared> {
    let directory = site.store.work_dir(&order.trace.stage).map_err(ExecutorError::from)?;
    match &order.worker {
        Worker::Card { program, files, environment } => {
            prepare_card(site, order, (program, files, environment), directory, checkpoints)
        }
        Worker::Command { lists, tools, .. } => prepare_command(site, order, (lists, tools), directory),
    }
}

/// The steps that all kinds of work share: puts artifacts where a program reads them, and judges errors.
struct Layout<'a> {
    site: &'a Site,
    order: &'a Order,
    directory: &'a Path,
}

impl Layout<'_> {
    fn failed(&self, error: StoreError) -> Fault {
        fault::of_preparation(&self.site.store, &self.order.location, Some(self.directory), error)
    }

    fn create(&self, directory: &Path) -> Result<(), Fault> {
        create(directory).map_err(|error| self.failed(error))
    }

    fn place(&self, source: Source, artifact: &Artifact, path: &Path) -> Result<PlacedInput, Unprepared> {
        self.placed(source, spoiled::place(self.site, self.order, (source, artifact), path))
    }

    fn placed(&self, source: Source, placed: Result<PlacedInput, StoreError>) -> Result<PlacedInput, Unprepared> {
        placed.map_err(|error| spoiled::unplaced(self.order, source, error, |error| self.failed(error)))
    }
}

fn prepare_card(
    site: &Site,
    order: &Order,
    (program, files, variables): (&contract::Worker, &[(PathBuf, Artifact)], &[String]),
    directory: PathBuf,
    checkpoints: Checkpoints,
) -> Result<Prepared, Unprepared> {
    let ActionWork::Card { kind, version, params, .. } = &order.action.work else { return Err(mismatch().into()) };
    let layout = Layout { site, order, directory: &directory };
    let (inputs_dir, outputs_dir, scratch) = (directory.join("in"), directory.join("out"), directory.join("scratch"));
    for new in [&inputs_dir, &outputs_dir, &scratch] {
        layout.create(new)?;
    }
    let (mut inputs, mut placed, mut known) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (at, input) in order.inputs.iter().enumerate() {
        let port = input.port.as_str();
        let of_port: &mut Vec<JobInput> = inputs.entry(port.to_owned()).or_default();
        // Labels hold characters that file names should not, so several of one port are numbered.
        let path = match input.label {
            Some(_) => inputs_dir.join(port).join(of_port.len().to_string()),
            None => inputs_dir.join(port),
        };
        placed.push(layout.place(Source::Input(at), &input.content, &path)?);
        known.push((path.clone(), input.known_as().to_owned()));
        let label = input.label.clone();
        of_port.push(JobInput { label, path, artifact: input.artifact, digest: input.content.digest });
    }
    let outputs: Vec<_> = order.outputs.iter().map(|output| outputs_dir.join(output.port.as_str())).collect();
    let named = order.outputs.iter().map(|output| output.port.as_str().to_owned()).zip(outputs.iter().cloned());
    let writing = |error| ExecutorError::system("writing a job", error);
    let job = Job {
        kind: kind.clone(),
        version: *version,
        params: params.clone(),
        inputs,
        outputs: named.collect(),
        scratch: scratch.clone(),
        checkpoints: match checkpoints {
            Checkpoints::OfKey => site.store.checkpoint_dir(&order.key).map_err(ExecutorError::from)?,
            Checkpoints::Apart => {
                let apart = directory.join("checkpoints");
                fs::create_dir(&apart).map_err(writing)?;
                apart
            }
        },
        limits: Limits { threads: threads(order), memory: order.limits.resources.memory },
        trace: order.trace.to_string(),
    };
    let job_file = directory.join("job.json");
    let text = serde_json::to_vec_pretty(&job).map_err(|e| writing(e.into()))?;
    fs::write(&job_file, text).map_err(writing)?;
    // Before those that every program sees, which no card can change: of two values a program gets the last.
    let mut environment: Vec<(OsString, OsString)> =
        variables.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
    let hidden = environment.iter().flat_map(|(_, value)| credentials::of(value)).collect();
    environment.extend(base_environment(&scratch));
    let mut argv: Vec<OsString> = match program {
        contract::Worker::Program(worker) => {
            environment.extend(site.programs.environment());
            vec![site.programs.path(worker, Device::wanted(&order.limits.resources)).into_os_string()]
        }
        contract::Worker::Command(worker) => {
            let home = directory.join("worker");
            for (at, (name, artifact)) in files.iter().enumerate() {
                placed.push(layout.place(Source::WorkerFile(at), artifact, &home.join(name))?);
            }
            let in_place = |word: &String| {
                let is_file = worker.files.iter().any(|file| file.as_os_str() == word.as_str());
                if is_file { home.join(word).into_os_string() } else { word.into() }
            };
            worker.argv.iter().map(in_place).collect()
        }
    };
    argv.extend(["run".into(), job_file.into_os_string()]);
    let program = Program { argv, cwd: directory.clone(), environment };
    let (protocol, sight) = (Protocol::Worker, Sight::Open);
    Ok(Prepared { directory, program, protocol, sight, outputs, inputs: placed, known, hidden })
}

fn prepare_command(
    site: &Site,
    order: &Order,
    (lists, tools): (&BTreeSet<PortName>, &[PathBuf]),
    directory: PathBuf,
) -> Result<Prepared, Unprepared> {
    let ActionWork::Command { environment, .. } = &order.action.work else { return Err(mismatch().into()) };
    let layout = Layout { site, order, directory: &directory };
    let (sandbox, temporary) = (order.sandbox(), directory.join("tmp"));
    layout.create(&temporary)?;
    let root = match sandbox {
        Sandbox::Private => directory.join("root"),
        Sandbox::Workspace => site.plan.root.clone(),
    };
    let outputs: Vec<_> = order.outputs.iter().map(|output| root.join(&output.destination)).collect();
    let mut inputs = Vec::new();
    if sandbox == Sandbox::Private {
        layout.create(&root)?;
    }
    for (at, input) in order.inputs.iter().enumerate() {
        let source = Source::Input(at);
        match (sandbox, &input.published) {
            (Sandbox::Private, _) => inputs.push(layout.place(source, &input.content, &root.join(&input.mount))?),
            // Inputs lie where they are. An output that we published where it will write is a link to the store's own object.
            (Sandbox::Workspace, Some(published)) => {
                let watched = spoiled::watch(site, (source, &input.content), published);
                inputs.push(layout.placed(source, watched)?);
            }
            (Sandbox::Workspace, None) => {}
        }
    }
    if sandbox == Sandbox::Private {
        link_tools(tools, &site.plan.root, &root)?;
    }
    for output in &outputs {
        layout.create(output.parent().unwrap_or(&root))?;
    }
    let script = listed(site, order, lists, &directory)?;
    let declared = environment.iter().filter_map(|(name, value)| Some((name.into(), value.as_ref()?.into())));
    let declared: Vec<(OsString, OsString)> = declared.collect();
    let mut environment = base_environment(&temporary);
    let argv = match script {
        Script::Text(text) => {
            let start = script::lay_out(order, &text, &directory, &declared);
            let start = start.map_err(|e| ExecutorError::system("writing a script", e))?;
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
    let sight = match sandbox {
        Sandbox::Private => {
            let tools = tools.iter().map(|tool| site.plan.root.join(tool)).collect();
            Sight::Private(Private { directory: directory.clone(), tools })
        }
        Sandbox::Workspace => Sight::Open,
    };
    let (protocol, known, hidden) = (Protocol::Plain, Vec::new(), Vec::new());
    Ok(Prepared { directory, program, protocol, sight, outputs, inputs, known, hidden })
}

/// An order whose worker does another kind of work than its action.
fn mismatch() -> ExecutorError {
    ExecutorError::system("reading an order", io::ErrorKind::InvalidInput.into())
}

/// The script, after the files that it reads the paths of its ports from were written.
fn listed<'o>(
    site: &Site,
    order: &'o Order,
    ports: &BTreeSet<PortName>,
    directory: &Path,
) -> Result<Script<'o>, ExecutorError> {
    let mut script = Script::of(order).ok_or_else(mismatch)?;
    if ports.is_empty() {
        return Ok(script);
    }
    let lists = directory.join("lists");
    create(&lists)?;
    for port in ports {
        let of_port = order.inputs.iter().filter(|input| input.port == *port);
        let paths: String = of_port.map(|input| as_word(&input.mount) + "\n").collect();
        let path = lists.join(port.as_str());
        fs::write(&path, paths).map_err(|e| ExecutorError::system("writing a list of paths", e))?;
        if order.sandbox() == Sandbox::Workspace {
            let path = path.strip_prefix(&site.plan.root).unwrap_or(&path).to_string_lossy();
            let word = list_word(port.as_str(), Sandbox::Workspace);
            match &mut script {
                Script::Text(text) => text.text = text.text.replace(&word, &shell_word(&path)).into(),
                Script::Argv(words) => {
                    words.to_mut().iter_mut().for_each(|each| *each = each.replace(&word, &path));
                }
            }
        }
    }
    Ok(script)
}

/// Puts a link to each tool where it lies in the project, so that `.venv/bin/python` is found from a directory of its own too.
fn link_tools(tools: &[PathBuf], project: &Path, root: &Path) -> Result<(), ExecutorError> {
    let mut last: Option<&Path> = None;
    // Sorted: the paths inside a tool follow it, and are reached through its link.
    for tool in tools {
        if last.is_some_and(|last| tool.starts_with(last)) {
            continue;
        }
        last = Some(tool);
        let place = root.join(tool);
        create(place.parent().unwrap_or(root))?;
        std::os::unix::fs::symlink(project.join(tool), &place)
            .map_err(|e| ExecutorError::system("linking a stage's tools", e))?;
    }
    Ok(())
}

/// The variables of every program, besides those of its stage and of the backend. None of them is part of the key.
fn base_environment(temporary: &Path) -> Vec<(OsString, OsString)> {
    let inherited = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let mut environment: Vec<(OsString, OsString)> = inherited.collect();
    environment.push(("TMPDIR".into(), temporary.into()));
    environment
}

/// Cores for one execution: as its stage asks, up to those of the machine.
pub(super) fn threads(order: &Order) -> u32 {
    order.limits.resources.cpus.clamp(1, governor::cores())
}

fn create(directory: &Path) -> Result<(), StoreError> {
    let made = fs::create_dir_all(directory);
    made.map_err(|error| StoreError { path: directory.to_owned(), kind: StoreErrorKind::from(error) })
}
