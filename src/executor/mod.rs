//! Where an action is carried out.
//!
//! [`Executor`] is the seam: an [`Order`] states the work, by digests, and an [`Execution`] states how it went. The lock of an
//! action, the look into the store before and the record after belong to the engine and are the same for every place. [`local`] is this
//! machine, [`remote`] every other place; `fault` tells a failure of the stage from one of the place. `seer` asks a worker of this machine
//! about stages that do not run yet.

mod error;
mod execution;
pub(crate) mod fault;
pub mod local;
mod order;
mod programs;
pub mod remote;
mod seer;
mod told;

pub use crate::backend::{Cancel, Control, Trace};
pub use error::ExecutorError;
pub use execution::{Events, Executing, Execution, Executor, Failed, FailureReport, Source, SpoiledInput};
pub(crate) use execution::{asked, unless_abandoned};
pub use order::{Input, Limits, Order, Reuse, Worker};
pub use programs::Programs;
pub(crate) use programs::{Device, find as find_program};
pub(crate) use seer::{Seer, SeerError};
pub use told::{AttemptEnd, PlaceNews, PlaceState, RemoteAttempt, Told};
