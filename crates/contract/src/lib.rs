//! The agreement between the engine and every stage, as data: this crate is the seam between them.
//!
//! - [`card`]: a kind of stage as a JSON document: ports, params schema, worker. The engine reads cards, never stages.
//! - [`types`]: the artifact types that ports carry; wiring is checked by them.
//! - [`job`]: the file that tells a worker what to do. [`event`]: what the worker says while it does it. [`usage`]: what that took.
//! - [`stage`]: the trait an author of a kind implements. [`context`]: what a running stage may touch.
//! - [`foresight`]: what a kind says of a stage before it runs.
//! - [`parallel`]: work by many threads, as many as the [`jobserver`] of the launch allows.
//! - [`backend`]: what the engine and a backend program say to each other.
//! - [`clean`]: the one way by which text of others becomes harmless, in a terminal, a prompt or a summary.
//! - [`worker`]: the `main` of a worker binary. [`digest`]: BLAKE3 names of artifacts.
//!
//! It knows neither the engine nor any stage, and stays free of heavy dependencies.

pub mod backend;
pub mod card;
pub mod clean;
pub mod context;
pub mod digest;
pub mod event;
pub mod foresight;
pub mod job;
pub mod jobserver;
pub mod parallel;
pub mod params;
pub mod stage;
pub mod types;
pub mod usage;
pub mod worker;

pub use card::{Card, CommandWorker, InputPort, OutputPort, Resources, Worker};
pub use context::Context;
pub use digest::Digest;
pub use event::{Event, FailureClass, Level};
pub use job::{Job, JobInput, Limits};
pub use stage::{Kind, Stage, StageError};
pub use types::Type;
pub use usage::Usage;

/// Exit status of a worker that took a checkpoint and left because it was asked to (`EX_TEMPFAIL` of sysexits.h).
pub const EXIT_INTERRUPTED: i32 = 75;
