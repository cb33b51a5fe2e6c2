//! The documents of an action that is carried out elsewhere. Each is an object below `actions/<key>/`; [`super::board`] names them.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{FailureClass, Usage};
use serde::{Deserialize, Serialize};

use crate::action::ActionKey;
use crate::executor::{FailureReport, Order};
use crate::store::Artifact;

/// The format of these documents.
pub(super) const FORMAT: u32 = 1;

/// The time limits of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// A lease that was not renewed for so long is lost.
    pub lease: Duration,
    /// An instance ends after so long, whatever happens.
    pub lifetime: Duration,
}

/// `spec.json`: the order to carry out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub format: u32,
    pub order: Order,
}

/// `intent/<n>.json`: an instance is about to be launched. Written only where it is not there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    pub attempt: u32,
    /// The backend's name.
    pub place: String,
    /// The machine and process of the client.
    pub client: String,
    /// Names the launch: a repeated request with this token returns the same instance.
    pub token: String,
    pub timing: Timing,
    /// The programs that the instance runs, as a directory.
    pub bundle: Artifact,
}

/// `refused/<n>.json`: how often the place had no room for the attempt.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub times: u32,
}

/// `lease.json`: the attempt that may write, written by compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lease {
    /// The attempt.
    pub epoch: u32,
    /// Its machine and process.
    pub owner: String,
    /// How often it was renewed: two states of a lease never look alike.
    pub beat: u64,
    /// Unix seconds, for people. Whether a lease is lost is told by the clock of the one who looks.
    pub renewed: u64,
    /// It was given back.
    pub released: bool,
}

/// `attempt/<n>.json`: how an attempt ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attempt {
    pub epoch: u32,
    /// The machine.
    pub host: String,
    /// Unix seconds.
    pub started: u64,
    /// Unix seconds.
    pub ended: u64,
    pub end: End,
}

/// How an attempt ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum End {
    /// The result is there.
    Finished {},
    /// The record was there; nothing was executed.
    Found {},
    /// The stage failed.
    Failed { failure: FailureReport, judged: FailureClass, usage: Usage },
    /// It was interrupted: by notice to the instance, or by the stage itself. `expired`: its instance had reached its lifetime.
    Interrupted {
        noticed: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expired: bool,
    },
    /// The place broke.
    Broken { message: String },
}

/// `result.json`: the outputs and metrics of the action. Written only where it is not there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    pub format: u32,
    pub key: ActionKey,
    pub epoch: u32,
    pub outputs: BTreeMap<String, Artifact>,
    pub metrics: BTreeMap<String, f64>,
    pub usage: Usage,
    pub host: String,
}

/// `seen/<n>.json`: a client has told its user how the attempt ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {}

/// `stop/<n>.json`: the attempt is to end, with a checkpoint where its stage takes one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {}

/// `checkpoints/<epoch>-<n>.json`: a checkpoint, whose files are there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    pub epoch: u32,
    pub content: Artifact,
    /// When it was sent, in milliseconds since 1970.
    #[serde(default)]
    pub sent: u64,
}
