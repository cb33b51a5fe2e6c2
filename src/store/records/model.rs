//! The documents of the store: artifacts and records.

use std::collections::BTreeMap;

use contract::{Digest, Usage};
use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionKey};

/// An immutable file or directory in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Of a file: BLAKE3 of its bytes. Of a directory: BLAKE3 of its manifest.
    pub digest: Digest,
    /// File or directory.
    pub shape: Shape,
    /// Bytes in all.
    pub size: u64,
}

/// Whether an artifact is a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// One regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory.
    Dir {
        /// Regular files in it.
        files: u64,
    },
}

/// The result of an action. Written after everything it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Format of this document.
    pub format: u32,
    /// The action's key.
    pub key: ActionKey,
    /// The whole action, so that `why` can compare two.
    pub action: Action,
    /// Outputs by port.
    pub outputs: BTreeMap<String, Artifact>,
    /// Last value of each metric.
    pub metrics: BTreeMap<String, f64>,
    /// Its usage.
    pub usage: Usage,
    /// The machine that ran it.
    pub host: String,
    /// The backend that ran it.
    pub backend: String,
    /// The run that made it; its log lies under `runs/<run>/logs/`.
    pub run: String,
    /// The stage's name in that run.
    pub stage: String,
    /// Unix seconds.
    pub finished_at: u64,
    /// The digest of the code that made it, where that ships with the engine. No part of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Digest>,
}

/// The format of [`Record`].
pub const RECORD_FORMAT: u32 = 1;
