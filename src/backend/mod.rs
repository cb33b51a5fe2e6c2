//! Processes on this machine.
//!
//! [`Local`] starts one launch as a child process, passes on its output, ends it when asked, and reports its outcome. A stage that
//! failed is an [`Outcome`]; an error means that the backend itself broke. `process` starts and ends its tree, `confine` keeps private
//! commands out of the project, `events`, `pace` and `log` take its output, in which `known` names paths as the user does, `tokens` is its jobserver, `outcome` judges its end.
//! [`Guardian`] ends the trees when the engine no longer can. Nothing here knows a stage, a plan or the store.

mod caught;
mod census;
mod confine;
mod error;
mod events;
mod exit;
mod groups;
pub mod guardian;
mod known;
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

pub use confine::Confinement;
pub use error::BackendError;
pub use exit::Exit;
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
