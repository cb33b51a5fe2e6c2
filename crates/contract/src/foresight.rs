//! What a kind can say of a stage before it runs: the memory that it will take, what its outputs will be, or that it would fail.
//!
//! The engine starts `<worker> foresee` and asks about stages in topological order, one [`Inquiry`] a line; the worker answers each with an
//! [`Answer`] a line. Nothing is run or written for it. What one stage foresees of its outputs is told to those that read them, so
//! that a stage which would fail hours later is known to. Only kinds whose card says `foresees` are asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::FailureClass;
use crate::stage::StageError;

/// A question about one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    /// The kind.
    pub kind: String,
    /// The version on the card that the engine planned with.
    pub version: u32,
    /// Params with every default filled in.
    pub params: Value,
    /// What is known of the inputs, by port, in the pipeline's order. A port that is not wired is absent.
    pub inputs: BTreeMap<String, Vec<Expected>>,
    /// Whether it will run on the machine that asks.
    pub here: bool,
}

/// What is known of an input; nothing of one whose stage is still to run and foresaw nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Where it lies, when it is there. Read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What the stage that will make it foresees of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Value>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may run.
    Foreseen(Foresight),
    /// It would fail.
    Refused {
        /// Whose turn it is to act.
        class: FailureClass,
        /// What is wrong.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
}

/// What is foreseen of a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Foresight {
    /// Bytes of memory that it will take at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// A line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Facts about outputs, by port: JSON that kinds of one artifact type agree on.
    pub outputs: BTreeMap<String, Value>,
}

impl Inquiry {
    /// Whether port `port` is wired.
    pub fn is_wired(&self, port: &str) -> bool {
        self.inputs.contains_key(port)
    }

    /// Where the input of `port` lies, when it is there.
    pub fn path(&self, port: &str) -> Option<&Path> {
        self.inputs.get(port)?.first()?.path.as_deref()
    }

    /// What is foreseen of the input of `port`.
    pub fn facts(&self, port: &str) -> Option<&Value> {
        self.inputs.get(port)?.first()?.facts.as_ref()
    }
}

impl From<Result<Foresight, StageError>> for Answer {
    fn from(result: Result<Foresight, StageError>) -> Answer {
        match result {
            Ok(foresight) => Answer::Foreseen(foresight),
            Err(StageError { class, message, help }) => Answer::Refused { class, message, help },
        }
    }
}
