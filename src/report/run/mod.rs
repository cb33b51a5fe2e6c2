//! A run as a document: what happened, how it ended, what it would do, how it differs from another.
//!
//! - [`journal`]: every event as a line of `events.ndjson`. [`summary`]: what a run says at its end.
//! - [`outlook`]: what a run would do. [`compare`]: two runs. [`lines`]: how two scripts differ.

pub mod compare;
pub mod journal;
pub mod lines;
pub mod outlook;
pub mod summary;
