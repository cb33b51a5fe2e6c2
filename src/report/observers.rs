//! Observers that print nothing: they count, remember and pass on.

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

/// A failure is off the screen once more stages than this have ended after it.
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
