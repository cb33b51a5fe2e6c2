//! One run of a plan.
//!
//! ```text
//! plan ──> hits: synchronous, in topological order ──> everything a hit? report, done (no runtime is started)
//!                                                 └─> run_loop: ready ─ admit (governor) ─> execute (executor) ┐
//!                                                        ^                                                     │
//!                                                        └── outputs known: a hit after all (cutoff), or run ──┘
//! ```
//!
//! - [`resolve`]: a stage and its known inputs to an action and a key. [`hits`]: what the store already has.
//! - [`standing`]: where each stage stands, and which may start, in which order. [`lane`]: which place has room. [`attempts`]: which is
//!   tried again, and when. [`semaphores`]: groups. All pure; [`run_loop`] is the one owner of all of it while things run.
//! - [`learned`]: what earlier executions teach about time and memory.
//! - [`wanted`]: whether a stage is to run at all: `when:`.
//! - [`bounds`]: where links may not lead. [`fault`]: whether what goes wrong fails the stage or ends the run. [`execute`]: one stage
//!   from the lock of its action to its record; [`order`]: what an executor is asked to do in between. [`outcome`], [`event`]: what is
//!   reported. [`survey`]: what would fail a stage, for `check`.
//! - [`publishing`]: when outputs are put into the workspace. [`earlier`]: what lies there and is not of this run.
//! - [`sharing`]: a remote that the run looks into and pushes to. [`fetching`]: the records of a plan from there.
//! - [`history`]: earlier runs. [`intact`]: whether what they left is what they wrote. [`traces`]: what they tell about artifacts.
//!   [`forecast`]: what a run would do, without doing it; behind `plan` and `why`. [`workbench`]: a stage for a person to try out.

mod attempts;
mod bounds;
mod earlier;
pub mod error;
pub mod event;
mod execute;
mod fault;
pub mod fetching;
pub mod forecast;
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

pub use crate::executor::FailureReport;
pub use crate::executor::local::undeclared;
use crate::plan::{Plan, StageId};
use crate::store::Store;
use publishing::{Closing, Publisher};
use sharing::Sharing;
use tally::{End, Tally};

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// What came of it, as far as it got.
    pub report: RunReport,
    /// Why it could not go on, when the store or the backend broke.
    pub broken: Option<EngineError>,
}

/// What is known of a plan before anything was looked up.
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
    // Until what the run came to is noted, nothing that it counts on may be collected.
    let hold = shared.store.hold().map_err(EngineError::store);
    let end = match &hold {
        Ok(_) => bring_up_to_date(&shared, &mut tally, observer, interrupt),
        Err(_) => Ok(End::Completed),
    };
    let end = end.and_then(|end| publish_rest(&shared, &mut tally, end, observer, interrupt));
    shared.sharing.close(observer, interrupt);
    let end = match end {
        // Whatever broke off was told to.
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
    // What was learned is of use also when something broke; the first error is the one to tell.
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

/// Publishes what waited for another run to end. Whoever stopped this run does not wait for that.
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
    // What was made is kept: once there is room for the outputs it is a hit.
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

/// What every part of a run reads and none changes.
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
