//! What an execution says while it goes on: its worker's events, and where beyond this machine it is.

use contract::{Event, Level};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that an execution says.
#[derive(Clone, Debug)]
pub enum Told {
    /// An event of its worker.
    Worker(Event),
    /// Where it is and why it waits.
    Place(PlaceNews),
    /// An attempt elsewhere is over.
    Attempt(RemoteAttempt),
}

impl From<Event> for Told {
    fn from(event: Event) -> Told {
        Told::Worker(event)
    }
}

impl Told {
    /// A warning for the log.
    pub fn warning(message: String) -> Told {
        Told::Worker(Event::Log { level: Level::Warning, message })
    }
}

/// How an attempt stands at its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceNews {
    /// The backend.
    pub backend: String,
    /// Which attempt.
    pub attempt: u32,
    /// How far its instance is.
    pub state: PlaceState,
    /// What the instance is, in the words of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Why it is so, in the words of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// US dollars an hour, as they were at launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// US dollars so far: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// How far an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaceState {
    /// The place is asked for it.
    Launching,
    /// It waits for a machine.
    Waiting,
    /// A machine is there, and boots or loads an image.
    Starting,
    /// It works.
    Running,
    /// It was told to end.
    Stopping,
    /// It has ended.
    Ended,
    /// The place does not answer just now; what runs there goes on.
    Silent,
}

/// An attempt at an action beyond this machine, once it is over or nobody follows it any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteAttempt {
    /// Counted from 1 over all executions of the action there.
    pub attempt: u32,
    /// The backend.
    pub backend: String,
    /// What the place calls its instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What that is: `g4dn.xlarge, spot, us-east-1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The machine that carried it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// When its instance was launched, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched: Option<u64>,
    /// When it began, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// When it ended, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// How it ended.
    pub end: AttemptEnd,
    /// US dollars an hour, as they were at launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// US dollars: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// How an attempt elsewhere ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// It gave its result, or found one.
    Finished,
    /// The stage failed.
    Failed,
    /// It was interrupted.
    Interrupted,
    /// The place broke.
    Broken,
    /// It never said.
    Unknown,
}
