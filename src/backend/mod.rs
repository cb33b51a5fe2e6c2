//! Where a worker runs.
//!
//! [`Backend`] is the seam: start one launch, pass on what it says, end it when asked, and say how it went. A stage that
//! failed is an [`Outcome`]; an error means that the backend itself broke. [`Local`] starts a child process here:
//! `process` starts and ends its tree, `confine` keeps private commands out of the project, `events`, `pace` and `log` take what it says, `tokens` is its jobserver, `outcome` judges how it ended. [`Guardian`]
//! ends the trees when the engine no longer can. Nothing here knows a stage, a plan or the store.

mod census;
mod confine;
mod error;
mod events;
mod exit;
mod groups;
pub mod guardian;
mod launch;
mod local;
mod log;
mod memory;
mod outcome;
mod pace;
mod process;
mod program;
mod redact;
mod sealed;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use contract::Event;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

pub use confine::Confinement;
pub use error::BackendError;
pub use exit::{Exit, SignalName};
pub use guardian::Guardian;
pub use launch::{
    Cancel, Control, Launch, Private, Program, Protocol, RUN_ID, STAGE_ID, Sight, Trace, outer_runs, runs_around,
};
pub use local::{Local, keep_from_debuggers};
pub use outcome::{Failure, Outcome, Verdict};
pub use pace::{LONGEST_METRIC, METRICS};
pub use program::find_on_path;
pub use redact::redacted;
pub use sealed::sealed;

/// What a backend's `run` returns. Not `Send`: the run loop lives on one thread.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, BackendError>> + 'a>>;

/// A place where workers run.
pub trait Backend {
    /// Runs `launch` to its end. Every event goes to `events` as it comes; `control` asks it to end early or to pause.
    ///
    /// When this returns, no process of the launch is left, its log is complete and its last event has been sent.
    /// Dropping the future kills the launch.
    fn run<'a>(
        &'a self,
        launch: Launch,
        events: UnboundedSender<Event>,
        control: watch::Receiver<Control>,
    ) -> Running<'a>;

    /// The process groups of the launches that run on this machine now, by stage.
    fn groups(&self) -> BTreeMap<String, u32>;
}
