//! One run of a plan.
//!
//! ```text
//! plan ──> hits: synchronous, in topological order ──> everything a hit? report, done (no runtime is started)
//!                                                 └─> run_loop: ready ─ admit (governor) ─> execute (backend) ─┐
//!                                                        ^                                                     │
//!                                                        └── outputs known: a hit after all (cutoff), or run ──┘
//! ```
//!
//! - [`resolve`]: a stage and its known inputs to an action and a key. [`hits`]: what the store already has.
//! - [`ready`]: who may start, in which order. [`attempts`]: who is tried again, and when. [`semaphores`]: groups. [`twins`]: stages
//!   that come to one action. All pure; [`run_loop`] is the one owner of all of it while things run.
//! - [`learned`]: what earlier executions teach about time and memory.
//! - [`wanted`]: whether a stage is to run at all: `when:`.
//! - [`bounds`]: where links may not lead. [`fault`]: whether what goes wrong fails the stage or ends the run. [`execute`]: one stage
//!   from private directory to record. `script`: the text of a command as a file. [`outcome`], [`event`]: what is reported.
//!   [`survey`]: what would fail a stage, for `check`.
//! - [`history`]: earlier runs. [`intact`]: whether what they left is what they wrote. [`traces`]: what they tell about artifacts.
//!   [`forecast`]: what a run would do, without doing it;
//!   behind `plan` and `why`. [`workbench`]: a stage's private directory, for a person.

mod attempts;
mod bounds;
pub mod error;
pub mod event;
mod execute;
mod fault;
pub mod forecast;
mod gpus;
pub mod history;
mod hits;
pub mod intact;
mod interrupt;
pub mod learned;
pub mod options;
pub mod outcome;
mod ready;
pub(crate) mod resolve;
mod run_loop;
mod script;
mod secrets;
mod semaphores;
pub mod survey;
mod tally;
pub mod traces;
mod twins;
mod undeclared;
mod wanted;
pub mod workbench;
mod workspace;

use std::sync::Arc;
use std::time::Instant;

pub use error::EngineError;
pub use event::{GovernorDecision, Observer, RunEvent};
pub use interrupt::Interrupt;
pub use options::{FailedWork, OnFailure, Options};
pub use outcome::{FailedAttempt, FailureReport, OutputReport, RunOutcome, RunReport, StageOutcome, StageReport};

use crate::plan::{Plan, StageId};
use crate::store::Store;
use tally::{End, Tally};

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// What came of it, as far as it got.
    pub report: RunReport,
    /// Why it could not go on, when the store or the backend broke.
    pub broken: Option<EngineError>,
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
    let shared = Arc::new(Shared { plan, store: Arc::clone(store), options });
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
    let end = match end {
        // Whatever broke off was told to.
        Err(_) if interrupt.killed() => End::Completed,
        end => end.unwrap_or_else(End::Broken),
    };
    // What was learned is of use also when something broke; the first error is the one to tell.
    let end = match (shared.store.save_memo().map_err(EngineError::store), end) {
        (Err(error), End::Completed | End::FailedFast(_)) => End::Broken(error),
        (_, end) => end,
    };
    let end = match hold {
        Ok(hold) => {
            drop(hold);
            end
        }
        Err(error) => End::Broken(error),
    };
    let report = tally.into_report(&shared, &end, interrupt.signal(), started.elapsed().as_secs_f64());
    observer.on(&RunEvent::RunEnded { outcome: report.outcome, seconds: report.seconds });
    let broken = match end {
        End::Broken(error) => Some(error),
        End::Completed | End::FailedFast(_) => None,
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

/// What every part of a run reads and none changes.
pub(crate) struct Shared {
    pub plan: Plan,
    pub store: Arc<Store>,
    pub options: Options,
}

impl Shared {
    /// Whether the stage is executed although it may have a record.
    fn refreshes(&self, stage: StageId) -> bool {
        // Nearly always empty, and then nothing is hashed.
        !self.options.refresh.is_empty() && self.options.refresh.contains(&self.plan.graph[stage].name)
    }
}
