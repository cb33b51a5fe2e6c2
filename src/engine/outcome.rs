//! The outcome of a run: the document that `run --json` ends with and that is kept as `runs/<id>/report.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::{Digest, Type, Usage};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::ActionKey;
use crate::executor::{FailureReport, RemoteAttempt};
use crate::spec::{PipelineName, PortName, StageName};

/// The outcome of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// It was executed.
    Ran,
    /// Its record is valid and its outputs are in place.
    Hit,
    /// A hit whose outputs were put back.
    Restored,
    /// Its condition was false, or something it needs was skipped.
    Skipped,
    /// Something it needs failed.
    Blocked,
    /// It failed.
    Failed,
    /// The run was stopped before it ended.
    Interrupted,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every stage is up to date.
    Succeeded,
    /// A stage failed.
    Failed,
    /// It was stopped.
    Interrupted,
    /// The store or the backend broke; the report holds what was known until then.
    Broken,
}

/// An output as a run left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputReport {
    /// Where it lies in the workspace, relative to the project root.
    pub path: PathBuf,
    /// Its digest.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Its type.
    #[serde(rename = "type")]
    pub artifact: Type,
    /// Bytes.
    pub size: u64,
    /// Whether it lies on the remote only: neither in the store nor at its path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// An execution that failed and was followed by another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailedAttempt {
    /// Why it failed.
    pub failure: FailureReport,
    /// Wall-clock seconds it took.
    pub seconds: f64,
    /// Its log.
    pub log: Option<PathBuf>,
}

/// The report on one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageReport {
    /// Its outcome.
    pub outcome: StageOutcome,
    /// Its key; absent when an input was never made.
    #[schemars(with = "Option<String>")]
    pub key: Option<ActionKey>,
    /// Wall-clock seconds spent on it in this run.
    pub seconds: f64,
    /// The usage of its process tree when it was executed (in this run or in the one that made the record).
    #[schemars(with = "Option<serde_json::Value>")]
    pub usage: Option<Usage>,
    /// Outputs by port.
    #[schemars(with = "BTreeMap<String, OutputReport>")]
    pub outputs: BTreeMap<PortName, OutputReport>,
    /// Last values of its metrics.
    pub metrics: BTreeMap<String, f64>,
    /// Its log, when it was executed in this run.
    pub log: Option<PathBuf>,
    /// Why it failed.
    pub failure: Option<FailureReport>,
    /// Why it was skipped, blocked or not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Executions of this run that failed and were tried again, oldest first; this report is about the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retried: Vec<FailedAttempt>,
    /// Attempts at it beyond this machine that this run saw, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<RemoteAttempt>,
    /// Its private directory, when it failed and was to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<PathBuf>,
}

/// The report on a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunReport {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    #[schemars(with = "String")]
    pub pipeline: PipelineName,
    /// The pipeline file.
    pub file: PathBuf,
    /// The pipeline's params in force.
    pub params: BTreeMap<String, serde_json::Value>,
    /// Its outcome.
    pub outcome: RunOutcome,
    /// The failure of the store or the backend, if one broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The signal that asked it to stop, the first where several came: `SIGINT` for Ctrl-C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Unix seconds.
    pub started_at: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak resident bytes of the largest process of an executed stage.
    pub peak_memory: u64,
    /// By name, in declaration order.
    #[schemars(with = "BTreeMap<String, StageReport>")]
    pub stages: IndexMap<StageName, StageReport>,
    /// Published outputs in the workspace that are not of this run: their stages failed, were skipped or blocked, or are no longer in
    /// the pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierOutput>,
    /// In the report of a run that is kept: a checksum over its id and the rest of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// A published output of an earlier action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlierOutput {
    /// Where it lies in the workspace, relative to the project root.
    pub path: PathBuf,
    /// The stage that gave it.
    #[schemars(with = "String")]
    pub stage: StageName,
    /// The digest of the output that was published there.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Its state after this run.
    pub state: EarlierState,
}

/// The state of an earlier output after this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EarlierState {
    /// It lies there as it was published.
    Untouched,
    /// It was changed since, so it stays.
    Changed,
    /// This run removed it; the store still has it.
    Removed,
}

impl RunReport {
    /// How many stages had this outcome.
    pub fn count(&self, outcome: StageOutcome) -> usize {
        self.stages.values().filter(|stage| stage.outcome == outcome).count()
    }
}
