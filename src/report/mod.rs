//! Everything that is printed or written for people and programs.
//!
//! - [`progress`]: live lines on a terminal. [`plain`]: the same story as lines, anywhere else.
//! - [`teller`]: which lines those are. [`tail`]: the end of a failed stage's log. [`ticker`]: keeps live lines moving.
//! - [`journal`]: every event as a line of `events.ndjson`. [`summary`]: what a run says at its end.
//! - [`problems`]: what is wrong with a pipeline, with file, line and caret. [`graph`]: the plan as Mermaid or DOT,
//!   [`svg`]: as a picture, laid out by [`layout`]. [`compare`]: two runs.
//! - [`style`]: colours, only on a terminal. [`units`]: bytes, seconds and times as people read them.

pub mod compare;
pub mod graph;
pub mod journal;
mod layout;
pub mod plain;
pub mod problems;
pub mod progress;
pub mod style;
pub mod summary;
pub mod svg;
mod tail;
mod teller;
mod ticker;
pub mod units;

use crate::engine::{Observer, RunEvent};

/// Sends every event to several observers.
pub struct Fanout(pub Vec<Box<dyn Observer>>);

impl Observer for Fanout {
    fn on(&mut self, event: &RunEvent) {
        for observer in &mut self.0 {
            observer.on(event);
        }
    }
}
