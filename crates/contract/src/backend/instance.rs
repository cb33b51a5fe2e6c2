//! Instances: what a place beyond this machine runs for the engine, and how that is asked for.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::Resources;

/// Launch an instance for an attempt; answered with [`Instance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// The key of the action: hexadecimal digits.
    pub action: String,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// Chosen by the engine, and recorded before it asks: at most 40 letters, digits and `-`. The same token never launches twice.
    pub token: String,
    /// What the stage asks for.
    #[serde(default)]
    pub resources: Resources,
    /// What goes along.
    pub bundle: Bundle,
    /// Runs on the instance before the command, as root where the place has one: `user_data` of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Piece>,
    /// The command: its first word is the name of a file of the bundle. `{root}` in a word is the instance's own directory.
    pub command: Vec<String>,
    /// US dollars that earlier attempts at the action cost; they count towards the budget of the place.
    #[serde(default)]
    pub spent: f64,
    /// How often this very submit failed as the place had no room. A service that repeats its answer is asked anew by that.
    #[serde(default)]
    pub refused: u32,
}

/// The files that the instance needs before it can fetch anything by itself. They lie beside each other there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// The newest glibc that one of them needs: `2.35`. Absent: none of them needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
    /// The files, all of them programs.
    pub files: Vec<Piece>,
}

/// A file that lies on this machine and, under a name, among the objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its name on the instance, without a directory.
    pub name: String,
    /// The name of the object with its bytes, below the prefix of the objects.
    pub object: String,
    /// The same bytes here; an absolute path. The program takes the checksums from it by which the instance checks what it fetched.
    pub file: PathBuf,
}

/// What was launched for an attempt; answered with [`Instance`] or `null`. It asks the place, and launches nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The key of the action.
    pub action: String,
    /// Which attempt.
    pub attempt: u32,
}

/// How instances are; answered with a list of [`Instance`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// Which ones; `null`: all of this workspace that have not ended.
    #[serde(default)]
    pub ids: Option<Vec<String>>,
}

/// What the place itself wrote down of an instance: its boot, its set-up. Answered with [`Log`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Which instance.
    pub id: String,
    /// The `next` of the answer before; `null`: from the beginning.
    #[serde(default)]
    pub after: Option<String>,
}

/// End an instance; answered with [`Instance`]. One that has ended stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Which instance.
    pub id: String,
}

/// End what has outlived its lifetime, of this workspace alone; answered with the list of what that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reap {}

/// What a launch would cost for a stage that asks for this; answered with [`Prices`]. It launches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskPrices {
    /// What the stage asks for.
    #[serde(default)]
    pub resources: Resources,
}

/// What a launch would cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// What it would be, for people: `g4dn.xlarge or g5.xlarge, spot, us-east-1`.
    pub what: String,
    /// US dollars an hour of the cheapest that it would launch now. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// US dollars an hour of the dearest that it would launch now, or would have lately. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
    /// US dollars an hour that no launch costs more than, whatever prices become. Absent: there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// US dollars that all attempts at one stage may cost together. Absent: there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// Where the figures come from, or why there are none: one sentence without a full stop.
    pub why: String,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// What the place calls it.
    pub id: String,
    /// The key of the action that it was launched for.
    pub action: String,
    /// The attempt.
    pub attempt: u32,
    /// How far it is.
    pub state: State,
    /// How it ended, where it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Ended>,
    /// Why it is as it is: one sentence without a full stop.
    pub why: String,
    /// What it is, for people: `g4dn.xlarge, spot, us-east-1a`.
    pub what: String,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched: Option<u64>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Unix seconds; it ends by itself then, whatever happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// US dollars an hour, as they were when it was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// US dollars so far: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// How far an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for a machine.
    Waiting,
    /// A machine is there, and boots or loads an image.
    Starting,
    /// It works.
    Running,
    /// It was told to end, and cleans up.
    Stopping,
    /// It has ended.
    Ended,
}

/// How an instance ended. The state of the action among the objects says what came of the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself, with its command.
    Finished,
    /// The place took the machine back; another attempt may go on.
    Interrupted,
    /// It was told to.
    Stopped,
    /// Its lifetime was over.
    Expired,
    /// It could not start or broke; another attempt would meet the same.
    Failed,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Its lines; empty where there is nothing new.
    pub text: String,
    /// What to send as `after` for what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
