//! A run as a document: its events, its outcome, its expected effect, its differences from another.
//!
//! - [`journal`]: every event as a line of `events.ndjson`. [`summary`]: the closing text of a run.
//! - [`outlook`]: the effect of a run. [`estimate`]: what it would cost. [`cost`]: what runs did cost.
//! - [`compare`]: two runs. [`lines`]: how two scripts differ.

pub mod compare;
pub mod cost;
pub mod estimate;
pub mod journal;
pub mod lines;
pub mod outlook;
pub mod summary;
