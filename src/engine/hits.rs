//! What the store already has: the synchronous pass over the plan, and the look-up that the run loop repeats after a cutoff.

use std::time::Instant;

use contract::Digest;

use super::interrupt::Interrupt;
use super::resolve::{self, Known, Resolved, Sources};
use super::tally::Tally;
use super::{EngineError, Observer, RunEvent, Shared, StageOutcome};
use crate::plan::{PlannedStage, StageId};
use crate::store::{Lookup, MissReason, Published, Record, Store};

/// Settles every stage whose record is valid, in topological order; a stage behind a miss stays open, and so does everything that
/// an interrupt finds still to be looked up.
pub(super) fn settle(
    shared: &Shared,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Known, EngineError> {
    let mut known = Known::new(&shared.plan);
    for &stage in &shared.plan.order {
        if interrupt.asked() {
            break;
        }
        let begun = Instant::now();
        let Ok(resolved) = resolve::resolve(&shared.plan, stage, &known, &shared.store, Sources::Identified)? else {
            continue;
        };
        tally.resolved(stage, &resolved);
        if let Some(record) = look_up(shared, stage, &resolved, observer)? {
            let outcome = restore(shared, stage, &record, observer)?;
            known.insert(stage, &record);
            tally.settled(shared, stage, outcome, &record, begun.elapsed().as_secs_f64());
            observer.on(&ended(&shared.plan.graph[stage], outcome, begun.elapsed().as_secs_f64(), None));
        }
    }
    Ok(known)
}

/// The valid record of an action, if there is one and it is to be used. Damage found on the way is put aside by the store and reported.
pub(super) fn look_up(
    shared: &Shared,
    stage: StageId,
    resolved: &Resolved,
    observer: &mut dyn Observer,
) -> Result<Option<Record>, EngineError> {
    if shared.refreshes(stage) {
        return Ok(None);
    }
    match record(&shared.store, &shared.plan.graph[stage], &resolved.key)? {
        Lookup::Hit(record) => Ok(Some(*record)),
        Lookup::Miss(reason) => {
            if reason.is_damage() {
                let stage = shared.plan.graph[stage].name.clone();
                observer.on(&RunEvent::Quarantined { stage, message: reason.to_string() });
            }
            Ok(None)
        }
    }
}

/// What the store says about an action of `stage`. A record without one of the stage's outputs does not serve it: that is so
/// where a card renamed a port and kept its version.
pub(super) fn record(store: &Store, stage: &PlannedStage, key: &Digest) -> Result<Lookup, EngineError> {
    Ok(match store.record(key).map_err(EngineError::store)? {
        Lookup::Hit(record) if stage.outputs.iter().any(|o| !record.outputs.contains_key(o.port.as_str())) => {
            Lookup::Miss(MissReason::OtherOutputs)
        }
        found => found,
    })
}

/// Puts the outputs of `record` where they belong in the workspace; `Hit` when they were all there.
pub(super) fn restore(
    shared: &Shared,
    stage: StageId,
    record: &Record,
    observer: &mut dyn Observer,
) -> Result<StageOutcome, EngineError> {
    let placed = publish(shared, stage, record, observer)?;
    Ok(if placed == 0 { StageOutcome::Hit } else { StageOutcome::Restored })
}

/// Publishes every output of `record`, which is now what the stage came to last; returns how many were not in place already.
pub(super) fn publish(
    shared: &Shared,
    stage: StageId,
    record: &Record,
    observer: &mut dyn Observer,
) -> Result<usize, EngineError> {
    let planned = &shared.plan.graph[stage];
    shared.store.set_last(shared.plan.pipeline.as_str(), planned.name.as_str(), &record.key);
    let displaced = shared.store.displaced_dir(&shared.options.run);
    let mut placed = 0;
    for output in &planned.outputs {
        let Some(artifact) = record.outputs.get(output.port.as_str()) else { continue };
        let destination = shared.plan.root.join(&output.destination);
        match shared.store.publish(artifact, &destination, &displaced).map_err(EngineError::store)? {
            Published::Unchanged => {}
            Published::Placed | Published::Replaced => placed += 1,
            Published::Displaced { to } => {
                placed += 1;
                observer.on(&RunEvent::Displaced { stage: planned.name.clone(), from: output.destination.clone(), to });
            }
        }
    }
    Ok(placed)
}

pub(super) fn ended(stage: &PlannedStage, outcome: StageOutcome, seconds: f64, message: Option<String>) -> RunEvent {
    RunEvent::StageEnded { stage: stage.name.clone(), outcome, seconds, message }
}
