//! The order to an executor, for any place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Digest, Resources, Type};
use serde::{Deserialize, Serialize};

use super::Trace;
use crate::action::{Action, ActionKey, ActionWork};
use crate::plan::{PlannedOutput, Sandbox, SecretVariable};
use crate::spec::{Location, PortName};
use crate::store::{Artifact, Placement};

/// An action to carry out. It names artifacts by digest, and no directory or argument vector of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The action's key: an execution goes on from the checkpoints that an earlier one left under it.
    pub key: ActionKey,
    /// The action.
    pub action: Action,
    /// Who does it.
    pub worker: Worker,
    /// The inputs, in the stage's order.
    pub inputs: Vec<Input>,
    /// The outputs, in the stage's order.
    pub outputs: Vec<PlannedOutput>,
    /// The limits of its resources.
    pub limits: Limits,
    /// Variables with values that are never written down.
    pub secrets: Vec<SecretVariable>,
    /// Names the execution; unique among those that run at one time.
    pub trace: Trace,
    /// Where the stage is declared, for messages.
    pub location: Location,
    /// The way in which its inputs are placed: as copies, once something wrote into the store's own files.
    #[serde(skip)]
    pub placement: Placement,
    /// Whether the result of an earlier execution will do.
    pub reuse: Reuse,
    /// The digest of the code of a kind that ships with the engine, for the record.
    pub source: Option<Digest>,
}

/// Whether the result of an earlier execution of an action will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// It will: a place looks whether it has that.
    #[default]
    Allowed,
    /// It is to be executed all the same.
    Refused,
}

impl Order {
    /// Whether it runs in a directory of its own or at the project root, which only this machine has.
    pub fn sandbox(&self) -> Sandbox {
        match &self.action.work {
            ActionWork::Command { in_workspace: true, .. } => Sandbox::Workspace,
            ActionWork::Command { .. } | ActionWork::Card { .. } => Sandbox::Private,
        }
    }
}

/// Who does the work of an action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Worker {
    /// The worker that a card names.
    Card {
        /// Its program.
        program: contract::Worker,
        /// The files of one that does not ship with the engine, by their names on the card.
        files: Vec<(PathBuf, Artifact)>,
        /// Variables of the place's environment that it sees.
        #[serde(default)]
        environment: Vec<String>,
    },
    /// The action's own command.
    Command {
        /// Ports whose paths it reads from a file.
        lists: BTreeSet<PortName>,
        /// The paths of the project that it may use without having them as inputs, relative to the root and sorted.
        tools: Vec<PathBuf>,
        /// The line of the stage's file that the first line of its script is, for messages.
        line: Option<u32>,
    },
}

impl Worker {
    /// The files of a worker that does not ship with the engine.
    pub fn files(&self) -> &[(PathBuf, Artifact)] {
        match self {
            Worker::Card { files, .. } => files,
            Worker::Command { .. } => &[],
        }
    }
}

/// Something that an action reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The port.
    pub port: PortName,
    /// Which of several, on a port that holds many.
    pub label: Option<String>,
    /// The type that the port accepts.
    pub artifact: Type,
    /// The artifact that is there.
    pub content: Artifact,
    /// Where a command finds it, relative to the directory it runs in.
    pub mount: PathBuf,
    /// Where a stage published it in the workspace, relative to the root.
    pub published: Option<PathBuf>,
}

impl Input {
    /// Its path as the user knows it, relative to the project's root.
    pub fn known_as(&self) -> &Path {
        self.published.as_deref().unwrap_or(&self.mount)
    }
}

/// The limits of an execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// The resources that the stage declares.
    pub resources: Resources,
    /// The GPUs that it holds, as `CUDA_VISIBLE_DEVICES` names them, where GPUs are shared out.
    pub gpus: Option<String>,
    /// After this long, pauses not counted, it is asked to leave, and killed after a grace.
    pub timeout: Option<Duration>,
}
