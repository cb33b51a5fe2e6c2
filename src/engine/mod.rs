//! One run of a plan.
//!
//! ```text
//! plan ──> hits: synchronous, in topological order ──> everything a hit? report, done (no runtime is started)
//!                                                 └─> run_loop: ready ─ admit (governor) ─> execute (executor) ┐
//!                                                        ^                                                     │
//!                                                        └── outputs known: a hit after all (cutoff), or run ──┘
//! ```
//!
//! - [`resolve`]: a stage and its known inputs to an action and a key. [`hits`]: look-ups in the store.
//! - [`standing`]: where each stage stands, and which may start, in which order. [`lane`]: which place has room. [`attempts`]: which are
//!   tried again, and when. [`semaphores`]: groups. All pure; [`run_loop`] is the one owner of all of it while things run.
//! - [`learned`]: estimates of time and memory from earlier executions.
//! - [`wanted`]: whether a stage is to run at all: `when:`.
//! - [`bounds`]: where links may not lead. [`fault`]: whether a failure fails the stage or ends the run. [`execute`]: one stage
//!   from the lock of its action to its record; [`order`]: the order to an executor in between. [`outcome`], [`event`]: the
//!   report. [`survey`]: failures of stages that `check` can foresee; [`foresight`]: what kinds say of stages before they run.
//! - [`publishing`]: when outputs are put into the workspace. [`earlier`]: outputs there that are not of this run.
//! - [`sharing`]: a remote that the run looks into and pushes to. [`fetching`]: the records of a plan from there.
//! - [`history`]: earlier runs. [`intact`]: whether their files are as they wrote them. [`traces`]: their artifacts.
//!   [`forecast`]: the effect of a run, without running it; behind `plan` and `why`. [`costs`]: what that would cost beyond this
//!   machine; [`spending`]: what it did cost. [`workbench`]: a stage for a person to try out.

mod attempts;
mod bounds;
pub mod costs;
mod earlier;
pub mod error;
pub mod event;
mod execute;
mod fault;
pub mod fetching;
pub mod forecast;
pub mod foresight;
mod gpus;
pub mod history;
mod hits;
pub mod intact;
mod interrupt;
mod lane;
pub mod learned;
pub mod options;
mod order;
pub mod outcome;
mod publishing;
pub(crate) mod resolve;
mod run_loop;
mod semaphores;
mod sharing;
pub mod spending;
mod standing;
pub mod survey;
mod tally;
pub mod traces;
mod wanted;
pub mod workbench;

use std::sync::Arc;
use std::time::Instant;

pub use error::EngineError;
pub use event::{GovernorDecision, Observer, RunEvent};
pub use interrupt::Interrupt;
pub use options::{Earlier, Extent, FailedWork, OnFailure, Options, Publishing};
pub use outcome::{
    EarlierOutput, EarlierState, FailedAttempt, OutputReport, RunOutcome, RunReport, StageOutcome, StageReport,
};

pub use crate::executor::local::undeclared;
pub use crate::executor::{AttemptEnd, FailureReport, PlaceNews, PlaceState, RemoteAttempt};
use crate::plan::{Plan, StageId};
use crate::store::Store;
use publishing::{Closing, Publisher};
use sharing::Sharing;
use tally::{End, Tally};

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// Its outcome, as far as it got.
    pub report: RunReport,
    /// Why it could not go on, when the store or the backend broke.
    pub broken: Option<EngineError>,
}

/// The empty knowledge about a plan, before any look-up.
pub fn known(plan: &Plan) -> resolve::Known {
    resolve::Known::new(plan)
}

/// Brings every stage of `plan` up to date. A stage that fails is part of the report, and so is everything that was done before
/// the store or the backend broke.
pub fn run(
    plan: Plan,
    store: &Arc<Store>,
    options: Options,
    observer: &mut dyn Observer,
    interrupt: &mut Interrupt,
) -> Finished {
    let started = Instant::now();
    let shared = Arc::new(Shared::new(plan, store, options));
    observer.on(&RunEvent::RunStarted {
        run: shared.options.run.clone(),
        pipeline: shared.plan.pipeline.clone(),
        stages: shared.plan.order.len(),
    });
    let mut tally = Tally::new(&shared.plan);
    // Until the outcome of the run is noted, nothing that it counts on may be collected.
    let hold = shared.store.hold().map_err(EngineError::store);
    let end = match &hold {
        Ok(_) => bring_up_to_date(&shared, &mut tally, observer, interrupt),
        Err(_) => Ok(End::Completed),
    };
    let end = end.and_then(|end| publish_rest(&shared, &mut tally, end, observer, interrupt));
    shared.sharing.close(observer, interrupt);
    let end = match end {
        // An error after the kill is a consequence of the kill.
        Err(_) if interrupt.killed() => End::Completed,
        end => end.unwrap_or_else(End::Broken),
    };
    let earlier = match &hold {
        Ok(_) if !interrupt.killed() => earlier::settle(&shared, tally.stages()),
        _ => Ok(Vec::new()),
    };
    let (earlier, end) = match (earlier, end) {
        (Ok(earlier), end) => (earlier, end),
        (Err(error), End::Completed) if !interrupt.killed() => (Vec::new(), End::Broken(error)),
        (Err(_), end) => (Vec::new(), end),
    };
    shared.publisher.give_back();
    // The memo is of use also after a failure; the first error is reported.
    let end = match (shared.store.save_memo().map_err(EngineError::store), end) {
        (Err(error), End::Completed | End::FailedFast(_) | End::Unpublished) => End::Broken(error),
        (_, end) => end,
    };
    let end = match hold {
        Ok(hold) => {
            drop(hold);
            end
        }
        Err(error) => End::Broken(error),
    };
    let report = tally.into_report(&shared, &end, earlier, interrupt.signal(), started.elapsed().as_secs_f64());
    observer.on(&RunEvent::RunEnded { outcome: report.outcome, seconds: report.seconds });
    let broken = match end {
        End::Broken(error) => Some(error),
        End::Completed | End::FailedFast(_) | End::Unpublished => None,
    };
    Finished { report, broken }
}

fn bring_up_to_date(
    shared: &Arc<Shared>,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &mut Interrupt,
) -> Result<End, EngineError> {
    let known = hits::settle(shared, tally, observer, interrupt)?;
    if shared.plan.order.iter().all(|stage| known.is_settled(*stage)) {
        return Ok(End::Completed);
    }
    run_loop::run(shared, known, tally, observer, interrupt)
}

/// Publishes the outputs that waited for another run to end. A user who stopped this run does not wait for that.
fn publish_rest(
    shared: &Shared,
    tally: &mut Tally,
    end: End,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<End, EngineError> {
    publishing::heal(shared, observer)?;
    let stopped = matches!(end, End::Completed) && tally.is_interrupted();
    let closing = if stopped { Closing::Published } else { publishing::close(shared, observer, interrupt)? };
    // The outputs are in the store: once the workspace has room for them they are hits.
    for (stage, failure) in shared.publisher.failures() {
        let planned = &shared.plan.graph[stage];
        observer.on(&hits::ended(planned, StageOutcome::Failed, 0.0, Some(failure.message.clone())));
        tally.unpublished(stage, failure);
    }
    Ok(match closing {
        Closing::Published => end,
        Closing::Interrupted => End::Unpublished,
    })
}

/// The part of a run that everything reads and nothing changes.
pub(crate) struct Shared {
    pub plan: Arc<Plan>,
    pub store: Arc<Store>,
    pub options: Options,
    /// The right to publish in the workspace.
    publisher: Publisher,
    /// The remote that it looks into and pushes to.
    sharing: Sharing,
}

impl Shared {
    fn new(plan: Plan, store: &Arc<Store>, options: Options) -> Shared {
        let publisher = Publisher::new(&plan, store);
        let sharing = Sharing::new(options.remote.clone());
        Shared { plan: Arc::new(plan), store: Arc::clone(store), options, publisher, sharing }
    }

    /// Whether the stage is executed although it may have a record.
    fn refreshes(&self, stage: StageId) -> bool {
        // Nearly always empty, and then nothing is hashed.
        !self.options.refresh.is_empty() && self.options.refresh.contains(&self.plan.graph[stage].name)
    }
}
