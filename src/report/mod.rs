//! Everything that is printed or written for people and programs.
//!
//! - [`progress`]: live lines on a terminal. [`plain`]: the same story as lines, anywhere else.
//! - [`teller`]: which lines those are. [`tail`]: the end of a failed stage's log. [`ticker`]: keeps live lines moving.
//! - [`journal`]: every event as a line of `events.ndjson`. [`summary`]: what a run says at its end.
//! - [`problems`]: what is wrong with a pipeline, with file, line and caret. [`figure`]: what a drawing of the plan shows,
//!   [`graph`]: as Mermaid or DOT, [`svg`]: as a picture, laid out by [`layout`]. [`compare`]: two runs.
//!   [`outlook`]: what a run would do. [`lines`]: how two scripts differ.
//! - [`schemas`]: what all of this looks like, for programs.
//! - [`clean`]: text of others, which may not act on a terminal. [`style`]: colours, only on a terminal. [`units`]: bytes, seconds and times as people read them.

pub mod clean;
pub mod compare;
pub mod figure;
pub mod graph;
pub mod journal;
mod layout;
pub mod lines;
pub mod outlook;
pub mod plain;
pub mod problems;
pub mod progress;
pub mod schemas;
pub mod style;
pub mod summary;
pub mod svg;
mod tail;
mod teller;
mod ticker;
pub mod units;

use std::cell::Cell;
use std::rc::Rc;

use crate::engine::{Observer, RunEvent};

/// Counts the files of the user's that were moved aside, for the end of the run.
#[derive(Clone, Debug, Default)]
pub struct Displaced(Rc<Cell<usize>>);

impl Displaced {
    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.get()
    }
}

impl Observer for Displaced {
    fn on(&mut self, event: &RunEvent) {
        if let RunEvent::Displaced { .. } = event {
            self.0.set(self.0.get() + 1);
        }
    }
}

/// Sends every event to several observers.
pub struct Fanout(pub Vec<Box<dyn Observer>>);

impl Observer for Fanout {
    fn on(&mut self, event: &RunEvent) {
        for observer in &mut self.0 {
            observer.on(event);
        }
    }
}
