//! The steps after an execution: its outputs are published and its consumers become ready, or it is tried again, or its dependents
//! are blocked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{FailureClass, Level, Usage};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::local::LocalPlace;
use super::{Ended, RunLoop};
use crate::engine::attempts::Sequel;
use crate::engine::execute::Ending;
use crate::engine::fault::Fault;
use crate::engine::resolve::Resolved;
use crate::engine::wanted::behind;
use crate::engine::{EngineError, FailedAttempt, FailureReport, OnFailure, RunEvent, StageOutcome, hits, publishing};
use crate::executor::{Cancel, Failed};
use crate::plan::StageId;
use crate::store::Record;

impl RunLoop<'_> {
    pub(super) fn ended(&mut self, ended: Result<Ended, JoinError>) {
        let Ended { stage, resolved, begun, result } = match ended {
            Ok(ended) => ended,
            Err(error) => return self.break_off(EngineError::system("an execution ended abnormally", error.into())),
        };
        let requeued = self.release(stage);
        // Events that were sent before the end are shown before it.
        while let Ok((stage, event)) = self.events.try_recv() {
            self.relay(stage, event);
        }
        let seconds = begun.elapsed().as_secs_f64();
        self.spoilings.ended(stage);
        let settled = match result {
            Ok(Ending::Ran { record, differing }) => {
                self.ran(stage, &record, differing, seconds).map_err(|f| (f, record))
            }
            Ok(Ending::Appeared(record)) => self.appeared(stage, &record, seconds).map_err(|f| (f, record)),
            Ok(Ending::Failed(failed)) => return self.failed(stage, resolved, *failed, seconds),
            Ok(Ending::Interrupted) if requeued && self.cancel == Cancel::No => return self.hold(stage, resolved),
            Ok(Ending::Lacking(inputs, lack)) => return self.lacking(stage, &resolved, &inputs, &lack, seconds),
            Ok(Ending::Spoiled(inputs)) => return self.spoiled(stage, &resolved, &inputs, begun),
            Ok(Ending::Interrupted | Ending::Abandoned) => return self.interrupted(stage, resolved, seconds),
            Err(error) if error.is_elsewhere() => return self.lost_place(stage, &resolved, error, seconds),
            Err(error) => {
                self.leave(&resolved);
                return self.break_off(error);
            }
        };
        match settled {
            Ok(()) => self.leave(&resolved),
            // Its record stays: once there is room for the outputs it is a hit.
            Err((Fault::Stage(failure), record)) => {
                let judged = FailureClass::StageBug;
                let failed = Failed { failure, judged, usage: record.usage, directory: None };
                self.failed(stage, resolved, failed, seconds);
            }
            Err((Fault::Engine(error), _)) => {
                self.leave(&resolved);
                self.break_off(error);
            }
        }
    }

    /// Gives back the resources of the execution; says whether the governor took it back to run it again.
    fn release(&mut self, stage: StageId) -> bool {
        match self.lane(stage) {
            LocalPlace::LANE => self.local.ended(stage),
            lane => self.elsewhere.ended(lane),
        }
        self.semaphores.give_back(&self.stage(stage).conduct.groups);
        self.stirred = true;
        self.standings.ended(stage).is_some_and(|running| running.requeued)
    }

    /// The action is over: every stage that waited for it looks it up again.
    pub(super) fn leave(&mut self, resolved: &Resolved) {
        self.standings.leave(&resolved.key);
    }

    fn ran(&mut self, stage: StageId, record: &Record, differing: Vec<String>, seconds: f64) -> Result<(), Fault> {
        if !differing.is_empty() {
            let name = self.stage(stage).name.clone();
            self.observer.on(&RunEvent::NotReproducible { stage: name, outputs: differing });
        }
        publishing::publish(self.shared, stage, record, self.observer)?;
        self.settle(stage, StageOutcome::Ran, record, seconds);
        Ok(())
    }

    fn appeared(&mut self, stage: StageId, record: &Record, seconds: f64) -> Result<(), Fault> {
        let outcome = hits::restore(self.shared, stage, record, self.observer)?;
        let away = hits::away(self.shared, record)?;
        self.settle(stage, outcome, record, seconds);
        self.tally.away(stage, &away);
        Ok(())
    }

    pub(super) fn settle(&mut self, stage: StageId, outcome: StageOutcome, record: &Record, seconds: f64) {
        let other = self.known.insert(stage, record);
        self.standings.done(stage);
        if other {
            self.redo_consumers(stage);
        }
        self.tally.settled(self.shared, stage, outcome, record, seconds);
        self.observer.on(&hits::ended(self.stage(stage), outcome, seconds, None));
    }

    /// The stage was done again and gave something else, so consumers that had been done with its former outputs are done again.
    fn redo_consumers(&mut self, stage: StageId) {
        for consumer in self.shared.plan.graph.neighbors(stage) {
            self.redo(consumer);
        }
        self.stirred = true;
    }

    fn failed(&mut self, stage: StageId, resolved: Arc<Resolved>, failed: Failed, seconds: f64) {
        let Failed { failure, judged, usage, directory } = failed;
        match self.sequel(stage, judged) {
            Sequel::Again { failed, wait } => self.back_off(stage, resolved, failure, seconds, failed, wait),
            Sequel::Enough => {
                self.leave(&resolved);
                let message = failure.message.clone();
                self.tally.failed(stage, failure, usage, seconds);
                if let Some(directory) = directory {
                    self.keep_work(stage, &directory);
                }
                self.block(stage, seconds, message);
            }
        }
    }

    /// The place of the stage broke. That ends the stage and what needs it; the run goes on with the rest, and is broken at its end.
    fn lost_place(&mut self, stage: StageId, resolved: &Resolved, error: EngineError, seconds: f64) {
        self.leave(resolved);
        let message = error.to_string();
        let failure = FailureReport { class: FailureClass::Resources, message: message.clone(), help: None };
        self.tally.failed(stage, failure, Usage::default(), seconds);
        self.lost_place.get_or_insert(error.at_stage(&self.stage(stage).name));
        self.block(stage, seconds, message);
    }

    /// Not having the directory must not cost the report of why it was wanted.
    fn keep_work(&mut self, stage: StageId, directory: &Path) {
        let name = &self.stage(stage).name;
        match self.shared.store.keep_work(directory, &self.shared.options.run, name.as_str()) {
            Ok(kept) => self.tally.kept(stage, kept),
            Err(error) => {
                let message = format!("its private directory could not be kept: {error}");
                let event = RunEvent::StageLog { stage: name.clone(), level: Level::Warning, message };
                self.observer.on(&event);
            }
        }
    }

    fn interrupted(&mut self, stage: StageId, resolved: Arc<Resolved>, seconds: f64) {
        // It left by itself: a failure that another attempt may go on from.
        if self.cancel == Cancel::No
            && let Sequel::Again { failed, wait } = self.sequel(stage, FailureClass::Interrupted)
        {
            let failure = FailureReport {
                class: FailureClass::Interrupted,
                message: "it stopped itself before it was done".to_owned(),
                help: None,
            };
            return self.back_off(stage, resolved, failure, seconds, failed, wait);
        }
        self.leave(&resolved);
        self.observer.on(&hits::ended(self.stage(stage), StageOutcome::Interrupted, seconds, None));
    }

    /// The decision after a failure of this class. A run that stops tries nothing again.
    fn sequel(&mut self, stage: StageId, class: FailureClass) -> Sequel {
        let planned = self.stage(stage);
        if self.cancel != Cancel::No {
            return Sequel::Enough;
        }
        let lot = format!("{}/{}", self.shared.options.run, planned.name);
        self.attempts.failed(stage, class, &planned.conduct.retry, &lot)
    }

    fn back_off(
        &mut self,
        stage: StageId,
        resolved: Arc<Resolved>,
        failure: FailureReport,
        seconds: f64,
        failed: u32,
        wait: std::time::Duration,
    ) {
        let planned = self.stage(stage);
        let log = set_aside(&self.log(stage), &format!("attempt-{failed}"));
        self.observer.on(&RunEvent::StageRetried {
            stage: planned.name.clone(),
            attempt: failed,
            attempts: planned.conduct.retry.attempts,
            failure: failure.clone(),
            wait: wait.as_secs_f64(),
        });
        self.tally.retried(stage, FailedAttempt { failure, seconds, log });
        self.standings.back_off(stage, resolved, Instant::now() + wait);
    }

    /// Holds every stage whose wait between two attempts is over.
    pub(super) fn try_again(&mut self) {
        self.stirred |= self.standings.wake(Instant::now());
    }

    /// The stage is not wanted, and neither is anything that needs it.
    pub(super) fn skip(&mut self, stage: StageId, cause: String) {
        let behind = behind(self.stage(stage).name.as_str());
        let dependents = self.standings.failed(stage).into_iter().map(|dependent| (dependent, behind.clone()));
        for (skipped, cause) in std::iter::once((stage, cause)).chain(dependents) {
            self.known.skip(skipped);
            hits::skipped(self.shared, skipped, cause, self.tally, self.observer);
        }
    }

    /// The stage fails without having been executed.
    pub(super) fn refuse(&mut self, stage: StageId, failure: FailureReport) {
        let message = failure.message.clone();
        self.tally.failed(stage, failure, Usage::default(), 0.0);
        self.block(stage, 0.0, message);
    }

    /// Independent branches go on, unless the run is to stop at the first failure; everything behind the stage is blocked.
    pub(super) fn block(&mut self, stage: StageId, seconds: f64, message: String) {
        let planned = self.stage(stage);
        self.observer.on(&hits::ended(planned, StageOutcome::Failed, seconds, Some(message)));
        for blocked in self.standings.failed(stage) {
            let cause = format!("needs `{}`, which failed", planned.name);
            self.tally.idle(blocked, StageOutcome::Blocked, cause.clone());
            self.observer.on(&hits::ended(self.stage(blocked), StageOutcome::Blocked, 0.0, Some(cause)));
        }
        if self.shared.options.on_failure == OnFailure::Stop {
            self.stop_after(stage);
        }
    }

    /// The stage was to run again, but something that it needs failed when it was made anew.
    pub(super) fn block_behind_dead(&mut self, stage: StageId) {
        let dependents = self.standings.failed(stage);
        for blocked in std::iter::once(stage).chain(dependents) {
            let cause = "needs a stage that failed when it was made anew".to_owned();
            self.tally.idle(blocked, StageOutcome::Blocked, cause.clone());
            self.observer.on(&hits::ended(self.stage(blocked), StageOutcome::Blocked, 0.0, Some(cause)));
        }
    }
}

/// Moves the log of a failed attempt out of the way of the next one; a log that cannot be moved is replaced by it.
pub(super) fn set_aside(log: &Path, attempt: &str) -> Option<PathBuf> {
    let aside = log.with_extension(format!("{attempt}.log"));
    std::fs::rename(log, &aside).is_ok().then_some(aside)
}
