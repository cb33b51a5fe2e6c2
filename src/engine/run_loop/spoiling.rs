//! The steps after something that a stage read was changed behind the store's back: it is made anew, the stage runs again with
//! copies of its own, and the user hears which stages ran meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use contract::{FailureClass, Usage};

use super::RunLoop;
use super::endings::set_aside;
use crate::engine::resolve::Resolved;
use crate::engine::{FailedAttempt, FailureReport, RunEvent, StageOutcome, hits};
use crate::executor::{Cancel, Source, SpoiledInput};
use crate::plan::{InputSource, PlannedStage, StageId};
use crate::store::Placement;

/// How often the inputs of one stage are made anew within a run.
const REPAIRS: u32 = 3;

/// Of so many stages that ran meanwhile the names are given.
const NAMED: usize = 5;

/// Who ran when, and whose inputs were damaged.
#[derive(Debug, Default)]
pub(super) struct Spoilings {
    counts: HashMap<StageId, u32>,
    ran: Vec<Ran>,
}

/// An execution that is over.
#[derive(Debug)]
struct Ran {
    stage: StageId,
    ended: Instant,
}

impl Spoilings {
    /// The way in which the inputs of `stage` are placed.
    pub(super) fn placement(&self, stage: StageId) -> Placement {
        if self.counts.contains_key(&stage) { Placement::Copy } else { Placement::Cheapest }
    }

    /// An execution has ended.
    pub(super) fn ended(&mut self, stage: StageId) {
        self.ran.push(Ran { stage, ended: Instant::now() });
    }
}

impl RunLoop<'_> {
    pub(super) fn spoiled(
        &mut self,
        stage: StageId,
        resolved: &Arc<Resolved>,
        inputs: &[SpoiledInput],
        begun: Instant,
    ) {
        self.leave(resolved);
        let planned = self.stage(stage);
        let producers: Vec<StageId> = inputs.iter().filter_map(|input| producer(planned, input.source)).collect();
        let texts: Vec<_> = inputs.iter().map(|input| input.description.as_str()).collect();
        let message = format!("{}; {}", texts.join("; "), self.meanwhile(stage, &producers, begun));
        let event = RunEvent::Quarantined { stage: planned.name.clone(), message: message.clone() };
        self.observer.on(&event);
        if self.cancel != Cancel::No {
            self.observer.on(&hits::ended(planned, StageOutcome::Interrupted, begun.elapsed().as_secs_f64(), None));
            return;
        }
        let count = self.spoilings.counts.entry(stage).or_default();
        *count += 1;
        let count = *count;
        let failure = FailureReport {
            class: FailureClass::StageBug,
            message,
            help: Some("a program writes into files that it should only read; let it write to its outputs".to_owned()),
        };
        if count > REPAIRS {
            self.tally.failed(stage, failure.clone(), Usage::default(), begun.elapsed().as_secs_f64());
            return self.block(stage, begun.elapsed().as_secs_f64(), failure.message);
        }
        let log = set_aside(&self.log(stage), &format!("damaged-{count}"));
        self.tally.retried(stage, FailedAttempt { failure, seconds: begun.elapsed().as_secs_f64(), log });
        for producer in producers {
            self.redo(producer);
        }
        self.stirred = true;
        if !self.standings.reopen(stage) {
            self.block_behind_dead(stage);
        }
    }

    /// A stage that is done is done again.
    pub(super) fn redo(&mut self, stage: StageId) {
        if self.standings.is_done(stage) && !self.standings.reopen(stage) {
            self.block_behind_dead(stage);
        }
    }

    /// The stages that may have written there: those that ran while `stage` did, or since its inputs were made.
    fn meanwhile(&self, stage: StageId, producers: &[StageId], begun: Instant) -> String {
        let made = producers.iter().filter_map(|producer| {
            self.spoilings.ran.iter().rev().find(|ran| ran.stage == *producer).map(|ran| ran.ended)
        });
        let since = made.min().map_or(begun, |made| made.min(begun));
        let ended = self.spoilings.ran.iter().filter(|ran| ran.ended >= since).map(|ran| ran.stage);
        let mut others: Vec<StageId> = ended.chain(self.standings.running().map(|(stage, _)| stage)).collect();
        others.retain(|other| *other != stage && !producers.contains(other));
        others.sort_unstable();
        others.dedup();
        if others.is_empty() {
            return "no other stage of this run ran meanwhile".to_owned();
        }
        let mut names: Vec<_> =
            others.iter().take(NAMED).map(|other| format!("`{}`", self.stage(*other).name)).collect();
        if others.len() > NAMED {
            names.push(format!("{} more", others.len() - NAMED));
        }
        format!("meanwhile ran {}", names.join(", "))
    }
}

/// The stage that can make the input anew.
fn producer(stage: &PlannedStage, source: Source) -> Option<StageId> {
    match source {
        Source::Input(at) => match &stage.inputs[at].source {
            InputSource::Stage { stage, .. } => Some(*stage),
            InputSource::Path(_) => None,
        },
        Source::WorkerFile(_) => None,
    }
}
