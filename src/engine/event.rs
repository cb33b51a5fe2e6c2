//! The events of a run, as they happen. `report` shows them; `runs/<id>/events.ndjson` keeps them.

use contract::Level;
use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::{RunOutcome, StageOutcome};
use crate::action::ActionKey;
use crate::executor::{FailureReport, PlaceNews};
use crate::spec::{PipelineName, StageName};

/// One event; a line of `events.ndjson` is this with the seconds since the run began.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunEvent {
    /// The plan is resolved and the run begins.
    RunStarted {
        /// The run.
        run: String,
        /// The pipeline.
        #[schemars(with = "String")]
        pipeline: PipelineName,
        /// Stages in it.
        stages: usize,
    },
    /// A stage was admitted and its program starts.
    StageStarted {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// Its key.
        #[schemars(with = "String")]
        key: ActionKey,
    },
    /// A running stage says how far it is.
    StageProgress {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// Units done.
        done: u64,
        /// Units in all, when known.
        total: Option<u64>,
        /// The unit of the count.
        unit: String,
    },
    /// A running stage reports a figure.
    StageMetric {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// Its name.
        name: String,
        /// The step it belongs to.
        step: Option<u64>,
        /// Its value.
        value: f64,
    },
    /// A running stage says something.
    StageLog {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// How serious.
        level: Level,
        /// The text.
        message: String,
    },
    /// A stage took a checkpoint.
    StageCheckpoint {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// At which step.
        step: u64,
    },
    /// Where beyond this machine a running stage is, and why it waits there.
    StagePlace {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// How it stands.
        news: PlaceNews,
    },
    /// A ready stage is passed over: it waits for something that only it needs.
    StageWaiting {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// The reason for the wait.
        reason: String,
    },
    /// An attempt at a stage failed, and it will be tried again.
    StageRetried {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// How many it may have.
        attempts: u32,
        /// Why it failed.
        failure: FailureReport,
        /// Seconds until it starts again.
        wait: f64,
    },
    /// A stage was executed although it has a record, and gave something else: it is not reproducible.
    NotReproducible {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// The outputs that differ, by port.
        outputs: Vec<String>,
    },
    /// A stage has ended.
    StageEnded {
        /// The stage.
        #[schemars(with = "String")]
        stage: StageName,
        /// Its outcome.
        outcome: StageOutcome,
        /// Wall-clock seconds.
        seconds: f64,
        /// Why it failed, was skipped or blocked.
        message: Option<String>,
    },
    /// A file of the user's stood where an output belongs; it was moved aside.
    Displaced {
        /// The stage whose output took its place.
        #[schemars(with = "String")]
        stage: StageName,
        /// Where the file was.
        from: std::path::PathBuf,
        /// Where it lies now.
        to: std::path::PathBuf,
    },
    /// The store found a damaged blob or record and put it aside; the stage runs again.
    Quarantined {
        /// The stage it belonged to.
        #[schemars(with = "String")]
        stage: StageName,
        /// The damage.
        message: String,
    },
    /// The governor decided something.
    Governor {
        /// The decision.
        decision: GovernorDecision,
        /// Whom it concerns, the first where several wait; absent where it is every stage that does not run yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        stage: Option<StageName>,
        /// The decision and its reason, with the figures, in words.
        message: String,
        /// Whether a stage is kept waiting by it; otherwise it is of interest only afterwards.
        holds: bool,
    },
    /// Another run publishes to the same places, so this one waits with that.
    PublishingWaits {
        /// For whom, in words.
        message: String,
    },
    /// Something about the remote that the run shares with others.
    Remote {
        /// How serious.
        level: Level,
        /// The text.
        message: String,
    },
    /// The user asked to stop.
    Stopping {
        /// The next step of the run.
        message: String,
    },
    /// The run is over.
    RunEnded {
        /// Its outcome.
        outcome: RunOutcome,
        /// Wall-clock seconds.
        seconds: f64,
    },
}

/// Where events go.
pub trait Observer {
    /// Shows or keeps one event.
    fn on(&mut self, event: &RunEvent);
}

/// A decision of the governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GovernorDecision {
    /// A ready stage waits: for a worker, for cores or memory that it declares, or for those that stand still.
    Wait,
    /// Nothing new starts, no jobs within stages either.
    Close,
    /// New stages start again.
    Open,
    /// A running stage stands still.
    Pause,
    /// Running stages that would be paused go on, since they use no CPU.
    Spare,
    /// It goes on.
    Resume,
    /// It is killed and runs again later; its attempts are not touched.
    Requeue,
}
