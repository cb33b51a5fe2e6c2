//! An action: its work and its inputs.

use std::collections::BTreeMap;
use std::fmt;

use contract::{Digest, Type};
use serde::{Deserialize, Serialize};

/// Raised when the encoding changes: every key changes with it.
pub const FORMAT: u32 = 2;

/// A stage with everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// [`FORMAT`] at the time.
    pub format: u32,
    /// The work.
    pub work: ActionWork,
    /// The inputs by port: one artifact, unless the port holds many, then in their order.
    pub inputs: BTreeMap<String, Vec<ActionInput>>,
}

/// The work of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionWork {
    /// A kind with a card.
    Card {
        /// The kind.
        kind: String,
        /// The card's version.
        version: u32,
        /// Params with defaults filled in.
        params: serde_json::Value,
        /// Of a worker that does not ship with the engine: the digest of its files.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        program: Option<Digest>,
    },
    /// The user's own program.
    Command {
        /// The script or argument vector, with relative paths.
        script: ActionScript,
        /// Variables it sees.
        environment: BTreeMap<String, Option<String>>,
        /// Outputs: port to declared path and type.
        outputs: BTreeMap<String, (String, Type)>,
        /// Whether it runs among the files of the workspace instead of in a directory of its own.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_workspace: bool,
        /// Tools for which a file stands: their path, and the digest of that file.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tools: BTreeMap<String, Digest>,
    },
}

/// How a command is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionScript {
    /// Run by `/bin/sh -c`: every text of a record of an earlier engine, and what `shell: [/bin/sh, -c]` still means.
    Shell(String),
    /// The script of a shell or of another interpreter.
    Text {
        /// The script.
        text: String,
        /// The shell that runs it.
        shell: ActionShell,
    },
    /// Run as it is.
    Argv(Vec<String>),
}

/// The program that runs a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionShell {
    /// `bash -euo pipefail`.
    Bash,
    /// `/bin/sh -eu`.
    Sh,
    /// A program and its arguments.
    Words(Vec<String>),
}

impl fmt::Display for ActionShell {
    /// As in the pipeline file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActionShell::Bash => f.write_str("bash"),
            ActionShell::Sh => f.write_str("sh"),
            ActionShell::Words(words) => write!(f, "[{}]", words.join(", ")),
        }
    }
}

/// An input of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionInput {
    /// Which of several, on a port that holds many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The artifact's type.
    #[serde(rename = "type")]
    pub artifact: Type,
    /// The artifact.
    pub digest: Digest,
    /// Owner-executable bit, for a command's file inputs.
    pub executable: bool,
    /// Where a command finds it; empty for cards.
    pub mount: String,
}
