//! An action: a stage with everything resolved. Its digest is the key under which the store keeps what it gave.
//!
//! The encoding is ours ([`canonical`]): length-prefixed, maps sorted here, domain-separated. Nothing that does not change
//! the output is in it: no backend, resources, stage names, absolute paths, times or YAML text. [`difference`] compares two.

pub mod canonical;
pub mod difference;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use contract::{Digest, Type};
use serde::{Deserialize, Serialize};

use canonical::Encoder;

/// Raised when the encoding changes: every key changes with it.
pub const FORMAT: u32 = 2;

/// A stage with everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// [`FORMAT`] at the time.
    pub format: u32,
    /// What is done.
    pub work: ActionWork,
    /// What it reads, by port: one artifact, unless the port holds many, then in their order.
    pub inputs: BTreeMap<String, Vec<ActionInput>>,
}

/// What an action does.
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
        /// What runs it.
        shell: ActionShell,
    },
    /// Run as it is.
    Argv(Vec<String>),
}

/// What runs a text.
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

impl Action {
    /// The key.
    pub fn key(&self) -> Digest {
        let mut encoder = Encoder::new("pipe action");
        encoder.number(u64::from(self.format));
        match &self.work {
            ActionWork::Card { kind, version, params, program } => {
                encoder.text("card").text(kind).number(u64::from(*version)).json(params);
                encoder.count(usize::from(program.is_some()));
                program.iter().fold(&mut encoder, |e, digest| e.digest(digest));
            }
            ActionWork::Command { script, environment, outputs, in_workspace, tools } => {
                encoder.text("command").flag(*in_workspace);
                match script {
                    ActionScript::Shell(text) => encoder.text("shell").text(text),
                    ActionScript::Text { text, shell } => {
                        encoder.text("text").text(text);
                        match shell {
                            ActionShell::Bash => encoder.text("bash"),
                            ActionShell::Sh => encoder.text("sh"),
                            ActionShell::Words(words) => encode_words(words, &mut encoder),
                        }
                    }
                    ActionScript::Argv(words) => encode_words(words, encoder.text("argv")),
                };
                encoder.count(environment.len());
                for (name, value) in environment {
                    encoder.text(name).optional(value.as_deref());
                }
                encoder.count(outputs.len());
                for (port, (path, artifact)) in outputs {
                    encoder.text(port).text(path).text(artifact.name());
                }
                // Without any there is nothing, so that keys from before there were tools are found. No other field begins
                // with a text here.
                if !tools.is_empty() {
                    encoder.text("tools").count(tools.len());
                    tools.iter().fold(&mut encoder, |e, (path, digest)| e.text(path).digest(digest));
                }
            }
        }
        encoder.count(self.inputs.len());
        for (port, inputs) in &self.inputs {
            encoder.text(port).count(inputs.len());
            for input in inputs {
                encoder.optional(input.label.as_deref()).text(input.artifact.name()).digest(&input.digest);
                encoder.flag(input.executable).text(&input.mount);
            }
        }
        encoder.finish()
    }
}

fn encode_words<'e>(words: &[String], encoder: &'e mut Encoder) -> &'e mut Encoder {
    encoder.count(words.len());
    words.iter().fold(encoder, |e, word| e.text(word))
}
