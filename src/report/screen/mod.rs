//! A run while it runs, for the person who started it.
//!
//! - [`progress`]: live lines on a terminal. [`plain`]: the same story as lines, anywhere else.
//! - [`teller`]: which lines those are. [`tail`]: the end of a failed stage's log.
//! - [`board`]: the content of live lines, with [`pace`] and [`row`]; [`rows`] draws them, [`ticker`] keeps them moving.

mod board;
mod pace;
pub mod plain;
pub mod progress;
mod row;
pub mod rows;
pub(super) mod tail;
pub(super) mod teller;
mod ticker;
