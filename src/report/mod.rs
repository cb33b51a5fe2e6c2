//! Everything that is printed or written for people and programs.
//!
//! - [`progress`]: live lines on a terminal. [`plain`]: the same story as lines, anywhere else.
//! - [`teller`]: which lines those are. [`tail`]: the end of a failed stage's log. [`board`]: what live lines show,
//!   with [`pace`] and [`row`]; [`rows`] draws them, [`ticker`] keeps them moving.
//! - [`journal`]: every event as a line of `events.ndjson`. [`summary`]: what a run says at its end.
//! - [`problems`]: what is wrong with a pipeline, with file, line and caret. [`figure`]: what a drawing of the plan shows,
//!   [`graph`]: as Mermaid or DOT, [`svg`]: as a picture, laid out by [`layout`]. [`compare`]: two runs.
//!   [`outlook`]: what a run would do. [`lines`]: how two scripts differ.
//! - [`schemas`]: what all of this looks like, for programs.
//! - [`clean`]: text of others, which may not act on a terminal. [`style`]: colours, only on a terminal. [`units`]: bytes, seconds and times as people read them.

mod board;
pub mod clean;
pub mod compare;
pub mod figure;
pub mod graph;
pub mod journal;
mod layout;
pub mod lines;
pub mod outlook;
mod pace;
pub mod plain;
pub mod problems;
pub mod progress;
mod row;
pub mod rows;
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

use crate::engine::{Observer, RunEvent, StageOutcome};

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

/// So many stages that end after a failure leave it on the screen.
const NEAR: usize = 5;

/// Whether the last failure was told so lately that its reader still has it in view.
#[derive(Clone, Debug, Default)]
pub struct Recent(Rc<Cell<Option<usize>>>);

impl Recent {
    /// Whether a failure was told, and little since.
    pub fn is_in_view(&self) -> bool {
        self.0.get().is_some_and(|since| since <= NEAR)
    }
}

impl Observer for Recent {
    fn on(&mut self, event: &RunEvent) {
        match event {
            RunEvent::StageEnded { outcome: StageOutcome::Failed, .. } => self.0.set(Some(0)),
            RunEvent::StageEnded { .. } | RunEvent::StageLog { .. } => self.0.set(self.0.get().map(|since| since + 1)),
            _ => {}
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
