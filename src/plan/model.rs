//! The plan: a pipeline with every name resolved. What the engine, `plan`, `why` and `graph` work on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use contract::{Card, Resources, Type};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::spec::{Location, PipelineName, PortName, StageName};

/// Identifies a stage within its plan.
pub type StageId = NodeIndex<u32>;

/// A resolved pipeline. Nodes stand in declaration order; an edge runs from producer to consumer, at most one a pair.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub pipeline: PipelineName,
    /// The pipeline file as given.
    pub file: PathBuf,
    /// The project root: workspace paths are relative to it. Absolute.
    pub root: PathBuf,
    /// Stages and what feeds what.
    pub graph: DiGraph<PlannedStage, ()>,
    /// A topological order, stable under renaming: producers first, declaration order among equals.
    pub order: Vec<StageId>,
    /// The pipeline's params after overrides, for the run report.
    pub params: BTreeMap<String, serde_json::Value>,
}

/// One stage, resolved.
#[derive(Debug)]
pub struct PlannedStage {
    /// Its name.
    pub name: StageName,
    /// Where it is declared.
    pub location: Location,
    /// What it does.
    pub work: Work,
    /// What it reads, sorted by port.
    pub inputs: Vec<PlannedInput>,
    /// What it gives, in the card's (or the command's) order.
    pub outputs: Vec<PlannedOutput>,
    /// What it wants of the machine.
    pub resources: Resources,
    /// Where it runs.
    pub backend: BackendName,
    /// Where each param and field was written, by path (`with.optimizer.lion.lr`, `in.tokens`, `run`), for `why`.
    pub places: BTreeMap<String, Location>,
}

/// What a stage does.
#[derive(Debug)]
pub enum Work {
    /// A kind with a card.
    Card {
        /// The card.
        card: Arc<Card>,
        /// Its params, every default filled in, numbers normalized to the schema's types.
        params: serde_json::Value,
    },
    /// The user's own program.
    Command(Command),
}

/// The program of a `command` stage. `${in.x}` and `${out.y}` are already replaced by paths relative to the directory the
/// command runs in.
#[derive(Debug)]
pub struct Command {
    /// What to run.
    pub script: Script,
    /// Variables it may see, by name, with their values now; an unset one is `None`.
    pub environment: BTreeMap<String, Option<String>>,
}

/// How a command is written.
#[derive(Debug)]
pub enum Script {
    /// A string: run by `sh -c`.
    Shell(String),
    /// A list: run as it is.
    Argv(Vec<String>),
}

/// A wire into a stage.
#[derive(Debug)]
pub struct PlannedInput {
    /// The port.
    pub port: PortName,
    /// What the port accepts.
    pub artifact: Type,
    /// Where it comes from.
    pub source: InputSource,
    /// Where a `command` finds it, relative to the directory it runs in. Unused by cards.
    pub mount: PathBuf,
}

/// Where an input comes from.
#[derive(Debug)]
pub enum InputSource {
    /// An output of another stage.
    Stage {
        /// The producer.
        stage: StageId,
        /// Its port.
        port: PortName,
    },
    /// A file or directory of the workspace, relative to the root.
    Path(PathBuf),
}

/// An output of a stage.
#[derive(Debug)]
pub struct PlannedOutput {
    /// The port.
    pub port: PortName,
    /// What it gives.
    pub artifact: Type,
    /// Where it appears in the workspace, relative to the root: `out/<pipeline>/<stage>/<port>` with the ending of
    /// its type, or the path a `command` declares.
    pub destination: PathBuf,
}

/// A backend's name. Only `local` exists so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendName {
    /// A child process on this machine.
    Local,
}
