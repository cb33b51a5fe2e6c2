//! Cards: a kind of stage as a JSON document.
//!
//! The built-in ones are generated from the Rust types into `schemas/cards/` and embedded in the engine; anyone's program
//! becomes a kind by shipping such a document. The engine reads nothing else about a stage.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params;
use crate::types::Type;

/// Everything the engine knows of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What a pipeline writes after `uses:`.
    pub kind: String,
    /// Raised when the same inputs and params may give other outputs. Part of the key.
    pub version: u32,
    /// One line for `pipe stages`.
    pub summary: String,
    /// The program that runs it.
    pub worker: Worker,
    /// Named, typed inputs, in the order they are shown.
    #[serde(default)]
    pub inputs: Vec<InputPort>,
    /// Named, typed outputs, in the order they are shown.
    pub outputs: Vec<OutputPort>,
    /// JSON Schema of the params, in the closed subset that [`crate::params`] describes.
    #[serde(default = "params::no_params")]
    pub params: serde_json::Value,
    /// What one run of it wants of the machine, unless the pipeline says otherwise.
    #[serde(default)]
    pub resources: Resources,
    /// Variables of the user's that the worker sees: how it reaches things, such as a proxy. Not part of the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// The worker can be asked what it foresees of a stage ([`crate::foresight`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foresees: bool,
}

/// The program that serves a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Worker {
    /// A worker binary that ships with `pipe`, found beside it or on PATH.
    Program(String),
    /// Anyone's program: an argument vector, to which `run JOB` is appended.
    Command(CommandWorker),
}

/// A worker that does not ship with `pipe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandWorker {
    /// Program and first arguments. A word that names one of `files` is replaced by its path.
    pub argv: Vec<String>,
    /// Files of the worker, relative to the card. Their content is part of the key; what else it calls is not.
    #[serde(default)]
    pub files: Vec<PathBuf>,
}

/// An input of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputPort {
    /// The port's name.
    pub name: String,
    /// What it accepts.
    #[serde(rename = "type")]
    pub artifact: Type,
    /// May stay unwired.
    #[serde(default)]
    pub optional: bool,
    /// Takes any number of artifacts: all instances of a matrix, or a list of wires.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub many: bool,
    /// One line for `pipe stages KIND`.
    #[serde(default)]
    pub summary: String,
}

/// An output of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputPort {
    /// The port's name.
    pub name: String,
    /// What it gives.
    #[serde(rename = "type")]
    pub artifact: Type,
    /// One line for `pipe stages KIND`.
    #[serde(default)]
    pub summary: String,
}

/// What a stage wants of the machine while it runs. Never part of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Cores; 0 = one.
    pub cpus: u32,
    /// Bytes of memory; 0 = unknown.
    pub memory: u64,
    /// GPUs; 0 = none.
    pub gpus: u32,
    /// Bytes of memory that each of its GPUs has to have; 0 = unknown. Checked where a backend names the machines that it may get.
    #[serde(skip_serializing_if = "is_zero")]
    pub gpu_memory: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

impl Card {
    /// A card with no ports and no params; the rest is added by the methods below. Params are filled in from the stage's
    /// type by [`crate::Kind::of`].
    pub fn new(kind: &str, version: u32) -> Card {
        Card {
            kind: kind.to_owned(),
            version,
            summary: String::new(),
            worker: Worker::Program(String::new()),
            inputs: Vec::new(),
            outputs: Vec::new(),
            params: params::no_params(),
            resources: Resources::default(),
            environment: Vec::new(),
            foresees: false,
        }
    }

    /// The worker binary that serves it.
    pub fn worker(mut self, program: &str) -> Card {
        self.worker = Worker::Program(program.to_owned());
        self
    }

    /// One line on what it does.
    pub fn summary(mut self, text: &str) -> Card {
        self.summary = text.to_owned();
        self
    }

    /// Adds a required input.
    pub fn input(self, name: &str, artifact: Type, summary: &str) -> Card {
        self.port(name, artifact, summary, false)
    }

    /// Adds an input that may stay unwired.
    pub fn optional_input(self, name: &str, artifact: Type, summary: &str) -> Card {
        self.port(name, artifact, summary, true)
    }

    /// Adds an output.
    pub fn output(mut self, name: &str, artifact: Type, summary: &str) -> Card {
        self.outputs.push(OutputPort { name: name.to_owned(), artifact, summary: summary.to_owned() });
        self
    }

    /// Sets the cores and bytes of memory that one run wants.
    pub fn resources(mut self, cpus: u32, memory: u64) -> Card {
        self.resources = Resources { cpus, memory, ..Resources::default() };
        self
    }

    /// Lets the worker see `variables` of the user's environment.
    pub fn environment(mut self, variables: &[&str]) -> Card {
        self.environment = variables.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Lets the engine ask what it foresees of a stage.
    pub fn foresees(self) -> Card {
        Card { foresees: true, ..self }
    }

    fn port(mut self, name: &str, artifact: Type, summary: &str, optional: bool) -> Card {
        self.inputs.push(InputPort {
            name: name.to_owned(),
            artifact,
            optional,
            many: false,
            summary: summary.to_owned(),
        });
        self
    }
}
