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
//! - [`ready`]: who may start, in which order; pure. [`run_loop`]: the one owner of all of it while things run.
//! - [`execute`]: one stage from private directory to record. [`outcome`], [`event`]: what is reported.
//! - [`history`]: earlier runs. [`forecast`]: what a run would do, without doing it; behind `plan` and `why`.

pub mod error;
pub mod event;
mod execute;
pub mod forecast;
pub mod history;
mod hits;
pub mod outcome;
mod ready;
mod resolve;
mod run_loop;
mod tally;
mod workspace;

use std::sync::Arc;
use std::time::Instant;

pub use error::EngineError;
pub use event::{Observer, RunEvent};
pub use outcome::{FailureReport, OutputReport, RunOutcome, RunReport, StageOutcome, StageReport};

use crate::plan::Plan;
use crate::store::Store;
use tally::Tally;

/// What a run may be told besides its plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run's id: a path component, unique in the store.
    pub run: String,
    /// Workers at once; `None` leaves it to the governor's conservative default.
    pub jobs: Option<usize>,
}

/// Brings every stage of `plan` up to date. A stage that fails is part of the report; an error means that the store or the
/// backend broke.
pub fn run(
    plan: Plan,
    store: &Arc<Store>,
    options: Options,
    observer: &mut dyn Observer,
) -> Result<RunReport, EngineError> {
    let started = Instant::now();
    let shared = Arc::new(Shared { plan, store: Arc::clone(store), options });
    let plan = &shared.plan;
    observer.on(&RunEvent::RunStarted {
        run: shared.options.run.clone(),
        pipeline: plan.pipeline.clone(),
        stages: plan.order.len(),
    });
    let mut tally = Tally::new(plan);
    let known = hits::settle(&shared, &mut tally, observer)?;
    let all_settled = plan.order.iter().all(|stage| known.has(*stage));
    if !all_settled {
        run_loop::run(&shared, known, &mut tally, observer)?;
    }
    let report = tally.into_report(&shared, started.elapsed().as_secs_f64());
    observer.on(&RunEvent::RunEnded { outcome: report.outcome, seconds: report.seconds });
    shared.store.save_memo().map_err(EngineError::store)?;
    Ok(report)
}

/// What every part of a run reads and none changes.
pub(crate) struct Shared {
    pub plan: Plan,
    pub store: Arc<Store>,
    pub options: Options,
}
