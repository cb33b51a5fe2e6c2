//! Identities that are digests of a canonical encoding. Neither is the digest of any content, so each is a type of its own.

use std::fmt;
use std::str::FromStr;

use contract::Digest;
use contract::digest::InvalidDigest;
use serde::{Deserialize, Serialize};

use super::canonical::Encoder;
use super::model::{Action, ActionScript, ActionShell, ActionWork};

/// The digest of an action, under which the store keeps its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionKey(Digest);

/// The digest of all that a plan was asked for with, under which the store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanKey(Digest);

impl ActionKey {
    /// The key that is this digest.
    pub const fn new(digest: Digest) -> ActionKey {
        ActionKey(digest)
    }

    /// As a digest, for encoding within another.
    pub fn digest(&self) -> &Digest {
        &self.0
    }

    /// The first ten hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl PlanKey {
    /// The key that is this digest.
    pub fn new(digest: Digest) -> PlanKey {
        PlanKey(digest)
    }
}

impl FromStr for ActionKey {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<ActionKey, InvalidDigest> {
        text.parse().map(ActionKey)
    }
}

impl fmt::Display for ActionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PlanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Action {
    /// The key.
    pub fn key(&self) -> ActionKey {
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
        ActionKey(encoder.finish())
    }
}

fn encode_words<'e>(words: &[String], encoder: &'e mut Encoder) -> &'e mut Encoder {
    encoder.count(words.len());
    words.iter().fold(encoder, |e, word| e.text(word))
}
