//! What a run would do, without executing anything: behind `pipe plan` and `pipe why`.
//!
//! Workspace inputs that the memo does not know are taken into the store to learn their digests, as a run would.

use contract::Digest;

use super::resolve::{self, Known, Resolved, Sources};
use super::{EngineError, hits};
use crate::action::difference::{Difference, differences};
use crate::plan::{Plan, PlannedStage, StageId};
use crate::store::{Lookup, MissReason, Record, Store};

/// What a run would do with one stage.
#[derive(Debug)]
pub enum Forecast {
    /// Nothing, or put its outputs back.
    Hit {
        /// Its key.
        key: Digest,
        /// What it gave.
        record: Box<Record>,
    },
    /// Execute it.
    Run {
        /// Its key.
        key: Digest,
        /// Why the store does not serve it.
        miss: MissReason,
        /// How its action differs from the last one executed for this stage; empty when there was none.
        changes: Vec<Difference>,
        /// The last record of this stage.
        last: Option<Box<Record>>,
    },
    /// It waits for these stages, which would run first; if they give what they gave before, it is a hit.
    Unknown {
        /// The producers whose outputs are not known.
        waits_for: Vec<StageId>,
        /// The last record of this stage.
        last: Option<Box<Record>>,
    },
}

/// A forecast for every stage, by its position in the plan.
pub fn forecast(plan: &Plan, store: &Store) -> Result<Vec<Forecast>, EngineError> {
    let mut known = Known::new(plan);
    let mut forecasts: Vec<Option<Forecast>> = plan.graph.node_indices().map(|_| None).collect();
    for &stage in &plan.order {
        let last = || {
            let key = store.last(plan.pipeline.as_str(), plan.graph[stage].name.as_str())?;
            store.past_record(&key).map(Box::new)
        };
        let forecast = match resolve::resolve(plan, stage, &known, store, Sources::Identified)? {
            Ok(resolved) => resolved_forecast(store, &plan.graph[stage], resolved, last)?,
            Err(_) => Forecast::Unknown { waits_for: unknown_producers(plan, stage, &known), last: last() },
        };
        if let Forecast::Hit { record, .. } = &forecast {
            known.insert(stage, record);
        }
        forecasts[stage.index()] = Some(forecast);
    }
    Ok(forecasts.into_iter().flatten().collect())
}

fn resolved_forecast(
    store: &Store,
    stage: &PlannedStage,
    resolved: Resolved,
    last: impl Fn() -> Option<Box<Record>>,
) -> Result<Forecast, EngineError> {
    let Resolved { action, key, .. } = resolved;
    Ok(match hits::record(store, stage, &key)? {
        Lookup::Hit(record) => Forecast::Hit { key, record },
        Lookup::Miss(miss) => {
            let last = last();
            let changes = last.as_ref().map(|record| differences(&record.action, &action)).unwrap_or_default();
            Forecast::Run { key, miss, changes, last }
        }
    })
}

fn unknown_producers(plan: &Plan, stage: StageId, known: &Known) -> Vec<StageId> {
    let mut producers: Vec<_> =
        plan.graph.neighbors_directed(stage, petgraph::Direction::Incoming).filter(|p| !known.has(*p)).collect();
    producers.sort_unstable();
    producers
}
