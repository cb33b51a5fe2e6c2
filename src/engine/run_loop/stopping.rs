//! How a run ends early: by Ctrl-C, at the first failure, or because something broke. In each case nothing more is started, what
//! runs may take a checkpoint, and the report is written.

use signal_hook::consts::SIGINT;

use super::RunLoop;
use super::local::LocalPlace;
use crate::engine::interrupt::{Asked, How};
use crate::engine::{EngineError, RunEvent, StageOutcome, hits};
use crate::executor::Cancel;
use crate::plan::StageId;
use crate::signals::SignalName;

/// Why nothing more is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopCause {
    /// The user asked for it.
    User,
    /// This stage failed, and the run stops at the first failure.
    Failure(StageId),
}

impl RunLoop<'_> {
    /// Once: admit nothing more and let stages take a checkpoint. Twice: kill them.
    pub(super) fn stop(&mut self, asked: Asked) {
        let former = self.stopped.replace(StopCause::User);
        let by_user = former == Some(StopCause::User);
        let next = match (self.cancel, asked.how) {
            (Cancel::No, How::Stop) => Cancel::Stop,
            (_, How::Kill) => Cancel::Kill,
            // A run that stops by itself is killed by the first Ctrl-C.
            (_, How::Stop) if asked.hurries() && !by_user => Cancel::Kill,
            (_, How::Stop) => self.cancel,
        };
        if next == self.cancel && !asked.hurries() {
            return;
        }
        let reason = if asked.signal == SIGINT { String::new() } else { format!(" on {}", SignalName(asked.signal)) };
        let message = match next {
            Cancel::Kill => format!("killing{reason} the stages that still run"),
            _ if self.runs_elsewhere() => {
                format!(
                    "stopping{reason}: stages here may take a checkpoint, those elsewhere go on; press Ctrl-C again to end them"
                )
            }
            _ => format!("stopping{reason}: stages may take a checkpoint; press Ctrl-C again to kill them"),
        };
        self.observer.on(&RunEvent::Stopping { message });
        if next > self.cancel {
            // A user who leaves does not mean stages that run elsewhere.
            self.cancel_all(next, next == Cancel::Stop);
        }
    }

    fn runs_elsewhere(&self) -> bool {
        self.standings.running().any(|(stage, _)| self.lane(stage) != LocalPlace::LANE)
    }

    /// The first failure ends the run.
    pub(super) fn stop_after(&mut self, failed: StageId) {
        if self.cancel != Cancel::No {
            return;
        }
        self.stopped = Some(StopCause::Failure(failed));
        let message = format!("stopping: `{}` failed; press Ctrl-C to kill what still runs", self.stage(failed).name);
        self.observer.on(&RunEvent::Stopping { message });
        self.cancel_all(Cancel::Stop, false);
    }

    /// Keeps the first error and winds the run down.
    pub(super) fn break_off(&mut self, error: EngineError) {
        self.broken.get_or_insert(error);
        if self.cancel == Cancel::No {
            // Stages that run elsewhere have nothing to do with it: the next run follows them.
            self.cancel_all(Cancel::Stop, true);
        }
    }

    fn cancel_all(&mut self, cancel: Cancel, leaving: bool) {
        self.cancel = cancel;
        for (_, running) in self.standings.running() {
            running.control.send_modify(|control| {
                control.cancel = cancel;
                control.leaving = leaving;
                control.abandoned = cancel == Cancel::Kill;
            });
        }
        for stage in self.standings.give_up() {
            let cause = "stopped while it waited to be tried again".to_owned();
            self.tally.idle(stage, StageOutcome::Interrupted, cause.clone());
            self.observer.on(&hits::ended(self.stage(stage), StageOutcome::Interrupted, 0.0, Some(cause)));
        }
    }
}
