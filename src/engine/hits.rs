//! Looks up stages in the store: the synchronous pass over the plan, and the look-up that the run loop repeats after a cutoff.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::fault::Fault;
use super::interrupt::Interrupt;
use super::publishing;
use super::resolve::{self, Known, Resolved, Sources};
use super::tally::Tally;
use super::wanted::{Wanted, wanted};
use super::{EngineError, Observer, RunEvent, Shared, StageOutcome, traces};
use crate::action::ActionKey;
use crate::executor::fault::is_of_stage;
use crate::plan::{Plan, PlannedStage, StageId};
use crate::store::{Artifact, Lookup, MissReason, Record, Store};

/// Settles every stage whose record is valid, in topological order; a stage behind a miss stays open, and so does everything that
/// an interrupt finds still to be looked up.
pub(super) fn settle(
    shared: &Shared,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Known, EngineError> {
    let mut known = Known::new(&shared.plan);
    look_through(shared, &mut known, tally, observer, interrupt)?;
    if shared.sharing.bring(shared, &known, observer, interrupt)? {
        look_through(shared, &mut known, tally, observer, interrupt)?;
    }
    Ok(known)
}

fn look_through(
    shared: &Shared,
    known: &mut Known,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<(), EngineError> {
    for &stage in &shared.plan.order {
        if interrupt.asked() {
            break;
        }
        if known.is_settled(stage) {
            continue;
        }
        let begun = Instant::now();
        match wanted(&shared.plan, stage, known) {
            Wanted::Yes => {}
            Wanted::No(cause) => {
                known.skip(stage);
                skipped(shared, stage, cause, tally, observer);
                continue;
            }
            // The run loop sees to it, when the stages it reads are done.
            Wanted::NotYet(_) | Wanted::Never(_) => continue,
        }
        // One that would fail is open too: the run loop fails it, and blocks its consumers.
        let Ok(resolved) = resolve::resolve(&shared.plan, stage, known, &shared.store, Sources::Identified)? else {
            continue;
        };
        tally.resolved(stage, &resolved);
        if let Some(record) = look_up(shared, stage, &resolved, observer)? {
            let outcome = match restore(shared, stage, &record, observer) {
                Ok(outcome) => outcome,
                Err(Fault::Stage(_)) => continue,
                Err(Fault::Engine(error)) => return Err(error),
            };
            known.insert(stage, &record);
            tally.settled(shared, stage, outcome, &record, begun.elapsed().as_secs_f64());
            observer.on(&ended(&shared.plan.graph[stage], outcome, begun.elapsed().as_secs_f64(), None));
        }
    }
    Ok(())
}

/// Reports a stage that is not wanted.
pub(super) fn skipped(shared: &Shared, stage: StageId, cause: String, tally: &mut Tally, observer: &mut dyn Observer) {
    tally.idle(stage, StageOutcome::Skipped, cause.clone());
    observer.on(&ended(&shared.plan.graph[stage], StageOutcome::Skipped, 0.0, Some(cause)));
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
    match record(&shared.store, &shared.plan, stage, &resolved.key)? {
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

/// The store's answer for an action of `stage`. A record without one of the stage's outputs does not serve it, as after a card
/// renamed a port and kept its version. An output that the store lost is taken back from the workspace.
pub(super) fn record(store: &Store, plan: &Plan, stage: StageId, key: &ActionKey) -> Result<Lookup, EngineError> {
    let planned = &plan.graph[stage];
    let mut found = store.record(key).map_err(EngineError::store)?;
    if let Lookup::Miss(MissReason::MissingOutputs { outputs }) = &found
        && take_back(store, plan, planned, outputs)?
    {
        found = store.record(key).map_err(EngineError::store)?;
    }
    Ok(match found {
        Lookup::Hit(record) if planned.outputs.iter().any(|o| !record.outputs.contains_key(o.port.as_str())) => {
            Lookup::Miss(MissReason::OtherOutputs)
        }
        Lookup::Miss(MissReason::DamagedOutput { port, path, quarantined, .. }) => {
            let through = written_through(store, plan, planned, key, (&port, &path, quarantined.as_deref()));
            Lookup::Miss(MissReason::DamagedOutput { port, path, quarantined, through })
        }
        found => found,
    })
}

/// Takes the outputs that the store lost from where they were published, as long as those still hold them. Returns whether all
/// are back.
fn take_back(
    store: &Store,
    plan: &Plan,
    stage: &PlannedStage,
    lost: &[(String, Artifact)],
) -> Result<bool, EngineError> {
    for (port, artifact) in lost {
        let Some(output) = stage.outputs.iter().find(|output| output.port.as_str() == port) else { return Ok(false) };
        let destination = plan.root.join(&output.destination);
        match store.recover(artifact, &destination) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // An unreadable output cannot be taken back either.
            Err(error) if is_of_stage(store, None, &error) => return Ok(false),
            Err(error) => return Err(EngineError::store(error)),
        }
    }
    Ok(true)
}

/// The published file through which an output was damaged: of this workspace, else of any that runs tell of.
fn written_through(
    store: &Store,
    plan: &Plan,
    stage: &PlannedStage,
    key: &ActionKey,
    (port, path, quarantined): (&str, &Path, Option<&Path>),
) -> Option<PathBuf> {
    let record = store.past_record(key)?;
    let artifact = record.outputs.get(port)?;
    let here = stage.outputs.iter().filter(|output| output.port.as_str() == port);
    let here = here.map(|output| plan.root.join(&output.destination));
    let traces = traces::traces(store);
    let places = here.chain(traces::published(&traces, &artifact.digest));
    traces::culprit(places, &store.object(artifact), path, quarantined)
}

/// Puts the outputs of `record` where they belong in the workspace; `Hit` when they were all there.
pub(super) fn restore(
    shared: &Shared,
    stage: StageId,
    record: &Record,
    observer: &mut dyn Observer,
) -> Result<StageOutcome, Fault> {
    let placed = publishing::publish(shared, stage, record, observer)?;
    Ok(if placed == 0 { StageOutcome::Hit } else { StageOutcome::Restored })
}

pub(super) fn ended(stage: &PlannedStage, outcome: StageOutcome, seconds: f64, message: Option<String>) -> RunEvent {
    RunEvent::StageEnded { stage: stage.name.clone(), outcome, seconds, message }
}
