//! The loop that owns a run while things execute. Everything else sends it messages:
//!
//! ```text
//!   worker events ──> (stage, event) ──┐
//!   executions end ──> Ended ───────────┤
//!   a wait between attempts is over ────┼─> loop ──> observer (progress, journal)
//!   signals ──> stop, then kill ─────────┤    │
//!   clock ──> probe ──> governor ────────┘    └──> admit: resolve, look up, start an execution
//! ```
//!
//! [`admit`]: which stage starts now. [`endings`]: the steps after an execution, [`spoiling`]: after one whose inputs were damaged,
//! [`lacking`]: after one whose inputs do not come from the remote.
//! [`stopping`]: how a run ends early. [`local`]: this machine as a place; [`elsewhere`]: the others. [`pressure`]: the decisions of its
//! governor.

mod admit;
mod elsewhere;
mod endings;
mod lacking;
mod local;
mod pressure;
mod spoiling;
mod stopping;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use contract::Event;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::attempts::Attempts;
use super::execute::Ending;
use super::history;
use super::interrupt::Interrupt;
use super::learned::Learned;
use super::resolve::{Known, Resolved};
use super::semaphores::Semaphores;
use super::standing::Standings;
use super::tally::{End, Tally};
use super::{EngineError, Observer, RunEvent, Shared};
use crate::executor::{Cancel, Control, Told};
use crate::plan::{PlannedStage, StageId};
use elsewhere::Elsewhere;
use local::LocalPlace;
use spoiling::Spoilings;
use stopping::StopCause;

/// Executes the stages that `known` does not cover.
pub(super) fn run(
    shared: &Arc<Shared>,
    known: Known,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &mut Interrupt,
) -> Result<End, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| EngineError::system("starting the run loop", e))?;
    let result = LocalSet::new().block_on(&runtime, async {
        let mut run = RunLoop::new(shared, known, tally, observer, interrupt)?;
        run.drive().await
    });
    // A thread may still wait for another run's lock; the run is over all the same.
    runtime.shutdown_background();
    result
}

struct RunLoop<'a> {
    shared: &'a Arc<Shared>,
    known: Known,
    tally: &'a mut Tally,
    observer: &'a mut dyn Observer,
    interrupt: &'a mut Interrupt,
    /// Where each stage stands; the action of one that is held or backs off is at hand.
    standings: Standings<'a, PlannedStage, Arc<Resolved>, Running>,
    /// Estimates from earlier executions, once there is something to choose.
    learned: Option<Learned>,
    /// Something happened since the last look at who may start.
    stirred: bool,
    semaphores: Semaphores<'a>,
    attempts: Attempts,
    spoilings: Spoilings,
    executions: JoinSet<Ended>,
    /// This machine.
    local: LocalPlace,
    /// The other places.
    elsewhere: Elsewhere,
    event_sender: UnboundedSender<(StageId, Told)>,
    events: UnboundedReceiver<(StageId, Told)>,
    /// The request to everything that runs.
    cancel: Cancel,
    /// Why nothing more is started.
    stopped: Option<StopCause>,
    /// The first error; the run winds down and returns it.
    broken: Option<EngineError>,
    /// The first error of a place beyond this machine. The run goes on with the stages that do not need that place.
    lost_place: Option<EngineError>,
}

/// A stage that executes.
struct Running {
    /// Requests to it.
    control: watch::Sender<Control>,
    /// It is being killed by the governor, to run again later.
    requeued: bool,
}

/// An execution that is over.
struct Ended {
    stage: StageId,
    resolved: Arc<Resolved>,
    begun: Instant,
    result: Result<Ending, EngineError>,
}

impl<'a> RunLoop<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        known: Known,
        tally: &'a mut Tally,
        observer: &'a mut dyn Observer,
        interrupt: &'a mut Interrupt,
    ) -> Result<RunLoop<'a>, EngineError> {
        let plan = &shared.plan;
        let mut standings = Standings::new(&plan.graph, &plan.order);
        for &stage in &plan.order {
            // One that is promised is still to be done.
            if known.has(stage) {
                standings.done(stage);
            } else if known.is_skipped(stage) {
                // The stages behind it were skipped with it.
                standings.failed(stage);
            }
        }
        let (event_sender, events) = unbounded_channel();
        let open: Vec<StageId> = standings.unfinished().collect();
        Ok(RunLoop {
            shared,
            known,
            tally,
            observer,
            interrupt,
            standings,
            learned: None,
            stirred: true,
            semaphores: Semaphores::new(&plan.groups),
            attempts: Attempts::default(),
            spoilings: Spoilings::default(),
            executions: JoinSet::new(),
            local: LocalPlace::start(shared, &open)?,
            elsewhere: Elsewhere::new(shared),
            event_sender,
            events,
            cancel: Cancel::No,
            stopped: None,
            broken: None,
            lost_place: None,
        })
    }

    async fn drive(&mut self) -> Result<End, EngineError> {
        self.refuse_hopeless();
        self.look_at_gpus();
        let mut clock = tokio::time::interval(self.local.look_every);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.admit() {
                self.break_off(error);
            }
            while let Some(asked) = self.interrupt.heard() {
                self.stop(asked);
            }
            let due = self.standings.next_due();
            if self.executions.is_empty() && due.is_none() {
                break;
            }
            tokio::select! {
                biased;
                asked = self.interrupt.next() => self.stop(asked),
                Some((stage, event)) = self.events.recv() => self.relay(stage, event),
                Some(ended) = self.executions.join_next() => self.ended(ended),
                () = until(due) => self.try_again(),
                _ = clock.tick() => self.sample(),
            }
        }
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        match (self.lost_place.take(), self.stopped.take()) {
            (Some(error), _) => Ok(End::Broken(error)),
            (None, Some(StopCause::Failure(stage))) => Ok(End::FailedFast(stage)),
            (None, Some(StopCause::User) | None) => Ok(End::Completed),
        }
    }

    fn stage(&self, stage: StageId) -> &'a PlannedStage {
        let shared: &'a Shared = self.shared;
        &shared.plan.graph[stage]
    }

    /// Where the log of `stage` lies.
    fn log(&self, stage: StageId) -> PathBuf {
        history::log_path(&self.shared.store, &self.shared.options.run, self.stage(stage).name.as_str())
    }

    fn relay(&mut self, stage: StageId, told: Told) {
        let name = self.stage(stage).name.clone();
        let event = match told {
            Told::Worker(event) => event,
            Told::Place(news) => return self.observer.on(&RunEvent::StagePlace { stage: name, news }),
            Told::Attempt(attempt) => return self.tally.attempted(stage, attempt),
        };
        let shown = match event {
            Event::Progress { done, total, unit } => RunEvent::StageProgress { stage: name, done, total, unit },
            Event::Metric { name: metric, step, value } => {
                RunEvent::StageMetric { stage: name, name: metric, step, value }
            }
            Event::Log { level, message } => RunEvent::StageLog { stage: name, level, message },
            Event::Checkpoint { step, .. } => RunEvent::StageCheckpoint { stage: name, step },
            // The executor draws its conclusions from these; the loop shows the stage's end itself.
            Event::Started { .. } | Event::Finished {} | Event::Failed { .. } => return,
        };
        self.observer.on(&shown);
    }
}

async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
