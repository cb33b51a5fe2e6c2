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

/// A valid record.
pub(super) struct Found {
    pub record: Record,
    /// The outputs that lie on the remote only, by port.
    pub away: Vec<(String, Artifact)>,
}

/// Settles every stage whose record is valid, in topological order; a stage behind a miss stays open, and so does everything that
/// an interrupt finds still to be looked up.
pub(super) fn settle(
    shared: &Shared,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Known, EngineError> {
    let mut known = Known::new(&shared.plan);
    let mut needed = look_through(shared, &mut known, tally, observer, interrupt)?;
    if shared.sharing.bring(shared, &known, observer, interrupt)? {
        needed = look_through(shared, &mut known, tally, observer, interrupt)?;
    }
    if !needed.is_empty() && shared.sharing.bring_content(shared, &needed, observer, interrupt)? {
        look_through(shared, &mut known, tally, observer, interrupt)?;
    }
    Ok(known)
}

/// Returns what lies on the remote and must come before stages that are promised can be settled.
fn look_through(
    shared: &Shared,
    known: &mut Known,
    tally: &mut Tally,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Vec<Artifact>, EngineError> {
    let mut needed = Vec::new();
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
        if let Some(Found { record, away }) = look_up(shared, stage, &resolved, observer)? {
            let coming = publishing::needed(shared, stage, &away);
            if !coming.is_empty() {
                known.promise(stage, &record);
                needed.extend(coming);
                continue;
            }
            let outcome = match restore(shared, stage, &record, observer) {
                Ok(outcome) => outcome,
                Err(Fault::Stage(_)) => continue,
                Err(Fault::Engine(error)) => return Err(error),
            };
            known.insert(stage, &record);
            tally.settled(shared, stage, outcome, &record, begun.elapsed().as_secs_f64());
            tally.away(stage, &away);
            observer.on(&ended(&shared.plan.graph[stage], outcome, begun.elapsed().as_secs_f64(), None));
        }
    }
    Ok(needed)
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
) -> Result<Option<Found>, EngineError> {
    if shared.refreshes(stage) {
        return Ok(None);
    }
    match record(&shared.store, &shared.plan, stage, &resolved.key)? {
        Lookup::Hit(record) => Ok(Some(Found { record: *record, away: Vec::new() })),
        Lookup::Elsewhere(away) => Ok(Some(Found { record: away.record, away: away.outputs })),
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
    let absent = match &found {
        Lookup::Miss(MissReason::MissingOutputs { outputs } | MissReason::OnOtherRemote { outputs, .. }) => outputs,
        Lookup::Elsewhere(away) => &away.outputs,
        Lookup::Hit(_) | Lookup::Miss(_) => &Vec::new(),
    };
    if take_back(store, plan, planned, absent)? {
        found = store.record(key).map_err(EngineError::store)?;
    }
    let serves = |record: &Record| planned.outputs.iter().all(|o| record.outputs.contains_key(o.port.as_str()));
    Ok(match found {
        Lookup::Hit(record) if !serves(&record) => Lookup::Miss(MissReason::OtherOutputs),
        Lookup::Elsewhere(away) if !serves(&away.record) => Lookup::Miss(MissReason::OtherOutputs),
        Lookup::Miss(MissReason::DamagedOutput { port, path, quarantined, .. }) => {
            let through = written_through(store, plan, planned, key, (&port, &path, quarantined.as_deref()));
            Lookup::Miss(MissReason::DamagedOutput { port, path, quarantined, through })
        }
        found => found,
    })
}

/// Takes outputs that are not in the store from where they were published, as long as those still hold them. Returns whether one of
/// them is back.
fn take_back(
    store: &Store,
    plan: &Plan,
    stage: &PlannedStage,
    absent: &[(String, Artifact)],
) -> Result<bool, EngineError> {
    let mut any = false;
    for (port, artifact) in absent {
        let Some(output) = stage.outputs.iter().find(|output| output.port.as_str() == port) else { continue };
        let destination = plan.root.join(&output.destination);
        match store.recover(artifact, &destination) {
            Ok(taken) => any |= taken,
            // An unreadable output cannot be taken back either.
            Err(error) if is_of_stage(store, None, &error) => {}
            Err(error) => return Err(EngineError::store(error)),
        }
    }
    Ok(any)
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

/// The outputs of a valid record that lie on the remote only, by port.
pub(super) fn away(shared: &Shared, record: &Record) -> Result<Vec<(String, Artifact)>, EngineError> {
    let mut away = Vec::new();
    for (port, artifact) in record.outputs.iter().filter(|_| shared.sharing.is_on()) {
        if shared.store.lacks(artifact).map_err(EngineError::store)? {
            away.push((port.clone(), artifact.clone()));
        }
    }
    Ok(away)
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
