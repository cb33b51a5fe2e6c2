//! The job file: what a worker is told. It is the worker's only argument besides the verb `run`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::types::Type;

/// One run of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The kind to run.
    pub kind: String,
    /// The version on the card that the engine planned with; a worker of another version refuses the job.
    pub version: u32,
    /// Params with every default filled in.
    pub params: serde_json::Value,
    /// Artifacts by port. A port holds exactly one, unless its card declares it as holding many. Read-only.
    pub inputs: BTreeMap<String, Vec<JobInput>>,
    /// Where each output must lie when the worker finishes; the parent directory exists.
    pub outputs: BTreeMap<String, PathBuf>,
    /// An empty directory for temporary files.
    pub scratch: PathBuf,
    /// A directory that outlives an interrupted run of the same action: what lies there is offered again.
    pub checkpoints: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// Identifies run and stage in logs: `<run>/<stage>`.
    pub trace: String,
}

/// An input artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobInput {
    /// Which of several, on a port that holds many: the instance of a matrix, `lr=1e-4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    #[serde(rename = "type")]
    pub artifact: Type,
    /// Its name in the store.
    #[schemars(with = "String")]
    pub digest: Digest,
}

/// What a worker may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Threads for parallel work. Outputs of data stages do not depend on it.
    pub threads: u32,
    /// Bytes of memory; 0 = not limited.
    pub memory: u64,
}
