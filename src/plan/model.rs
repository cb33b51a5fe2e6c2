//! The plan: a pipeline with every name resolved. The engine, `plan`, `why` and `graph` work on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::backend::Secret;
use contract::{Card, Resources, Type};
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};

use super::language::condition::Condition;
use crate::spec::{LinkRule, Location, PipelineName, PortName, SecretForm, Shell, StageName};

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
    /// The symbolic links on the way to its paths, with where each led: the plan holds while they lead there.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Stages and the edges between them.
    pub graph: DiGraph<PlannedStage, ()>,
    /// A topological order, stable under renaming: producers first, declaration order among equals.
    pub order: Vec<StageId>,
    /// The pipeline's params after overrides, for the run report.
    pub params: BTreeMap<String, serde_json::Value>,
    /// How many stages of each named group may run at once; 1 for a group that is not listed.
    pub groups: BTreeMap<String, u32>,
}

impl Plan {
    /// A plan of nothing in the project at `root`: where an action is carried out far from its pipeline.
    pub fn without_stages(root: PathBuf) -> Plan {
        Plan {
            pipeline: PipelineName::new("none"),
            file: PathBuf::new(),
            root,
            links: BTreeMap::new(),
            graph: DiGraph::new(),
            order: Vec::new(),
            params: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }
}

/// One stage, resolved. `W` is its work: [`Work`], or the form in which a snapshot keeps that.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlannedStage<W = Work> {
    /// Its name.
    pub name: StageName,
    /// Where it is declared.
    pub location: Location,
    /// Its work.
    pub work: W,
    /// Its inputs, sorted by port.
    pub inputs: Vec<PlannedInput>,
    /// Its outputs, in the card's (or the command's) order.
    pub outputs: Vec<PlannedOutput>,
    /// The resources that it wants.
    pub resources: Resources,
    /// Where it runs.
    pub backend: BackendName,
    /// How it is run.
    pub conduct: Conduct,
    /// Where each param and field was written, by path (`with.optimizer.lion.lr`, `in.tokens`, `run`), for `why`. A snapshot
    /// leaves them out.
    #[serde(skip)]
    pub places: BTreeMap<String, Location>,
}

impl<W> PlannedStage<W> {
    /// The same stage with its work in another form, where it has one.
    pub fn try_map_work<V>(self, map: impl FnOnce(W) -> Option<V>) -> Option<PlannedStage<V>> {
        Some(PlannedStage {
            name: self.name,
            location: self.location,
            work: map(self.work)?,
            inputs: self.inputs,
            outputs: self.outputs,
            resources: self.resources,
            backend: self.backend,
            conduct: self.conduct,
            places: self.places,
        })
    }
}

/// How a stage is run. None of it changes the stage's outputs, so none of it is part of the key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conduct {
    /// After this long, pauses not counted, it is asked to leave, and killed after a grace.
    pub timeout: Option<Duration>,
    /// How often it is tried again after a failure.
    pub retry: Retry,
    /// Named semaphores that it holds while it runs.
    pub groups: Vec<String>,
    /// Whether it is wanted at all; `None` = always.
    pub condition: Option<Condition>,
    /// Variables with values that are never written down.
    pub secrets: Vec<SecretVariable>,
}

/// How often a stage is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Executions in all, at least 1.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// The share of a wait that is random, 0 to 1, so that stages which failed together do not come back together.
    pub jitter: f64,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts: 1, backoff: Duration::ZERO, jitter: 0.1 }
    }
}

/// A variable of a stage that holds a secret. The value is read when the stage starts, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVariable {
    /// The variable that the stage sees.
    pub variable: String,
    /// The secret's name in the pipeline, for messages.
    pub secret: String,
    /// Where its value is.
    pub source: SecretSource,
    /// The form of the variable: the value, or a path where it is read.
    pub form: SecretForm,
}

/// Where a secret's value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretSource {
    /// In this variable of the engine's environment.
    Environment(String),
    /// In this file, without its last line end. Relative to the project root.
    File(PathBuf),
    /// A service keeps it, and the program that serves the objects of the place reads it where the stage runs.
    Kept(Secret),
}

/// The work of a stage.
#[derive(Debug, Serialize)]
pub enum Work {
    /// A kind with a card.
    Card {
        /// The card; written down as its kind.
        #[serde(serialize_with = "as_kind")]
        card: Arc<Card>,
        /// Its params, every default filled in, numbers normalized to the schema's types.
        params: serde_json::Value,
        /// Of a card that does not ship with the engine: its file. A snapshot takes it from the card.
        #[serde(skip)]
        path: Option<PathBuf>,
    },
    /// The user's own program.
    Command(Command),
}

/// The program of a `command` stage. `${in.x}` and `${out.y}` are already replaced by paths relative to the directory the
/// command runs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Command {
    /// The script to run.
    pub script: Script,
    /// Variables it may see, by name, with their values now; an unset one is `None`.
    pub environment: BTreeMap<String, Option<String>>,
    /// Where it runs.
    pub sandbox: Sandbox,
    /// Ports whose paths it reads from a file.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<PortName>,
    /// The tools that it may use without having them as inputs, sorted by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
}

/// A directory of the project that commands use: a virtual environment, installed packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tool {
    /// Relative to the root.
    pub path: PathBuf,
    /// The file whose content stands for it in the key, relative to the root.
    pub key: Option<PathBuf>,
}

/// Where a command runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandbox {
    /// In a directory of its own that holds its declared inputs and nothing else.
    #[default]
    Private,
    /// At the project root, among everything that lies there.
    Workspace,
}

/// How a command is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Script {
    /// A string: the script of a shell or of another interpreter.
    Text(Text),
    /// A list: run as it is.
    Argv(Vec<String>),
}

/// A script that is written into the pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Text {
    /// The script.
    pub text: String,
    /// The shell that runs it.
    pub shell: Shell,
    /// The line of the stage's file that its first line is; `None` when its lines are no lines of that file. For messages.
    pub line: Option<u32>,
}

/// A wire into a stage. A port that holds many has one for each artifact, side by side in their order.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlannedInput {
    /// The port.
    pub port: PortName,
    /// Which of several, on a port that holds many: `lr=1e-4`, or a position.
    pub label: Option<String>,
    /// The type that the port accepts.
    pub artifact: Type,
    /// Where it comes from.
    pub source: InputSource,
    /// Whether symbolic links in a directory of the workspace are kept or followed.
    #[serde(default, skip_serializing_if = "LinkRule::is_keep")]
    pub links: LinkRule,
    /// Where a `command` finds it, relative to the directory it runs in. Unused by cards.
    pub mount: PathBuf,
}

/// Where an input comes from.
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedOutput {
    /// The port.
    pub port: PortName,
    /// The type of the output.
    pub artifact: Type,
    /// Where it appears in the workspace, relative to the root: `out/<pipeline>/<stage>/<port>` with the ending of
    /// its type, or the path a `command` declares.
    pub destination: PathBuf,
}

/// A backend's name: `local`, or one that the configuration defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackendName(String);

impl BackendName {
    /// Takes a name.
    pub fn new(text: impl Into<String>) -> BackendName {
        BackendName(text.into())
    }

    /// A child process on this machine: the default.
    pub fn local() -> BackendName {
        BackendName::new("local")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn as_kind<S: serde::Serializer>(card: &Card, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&card.kind)
}
