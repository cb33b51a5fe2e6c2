//! When a run puts its outputs into the workspace.
//!
//! A run asks for the right to publish when something is first to be put there, and keeps it to its end. A run that finds everything
//! in place asks for nothing. Where another run has the right, this one goes on into the store and publishes at its end. Outputs that
//! were found in place before another run published are looked at again.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::{FailureClass, Level};
use indexmap::IndexMap;

use super::fault::{self, Fault};
use super::interrupt::Interrupt;
use super::options::Publishing;
use super::{EngineError, FailureReport, Observer, RunEvent, Shared, bounds};
use crate::action::ActionKey;
use crate::failpoint::{self, Failpoint};
use crate::plan::{InputSource, Plan, PlannedOutput, StageId};
use crate::store::{
    Artifact, Busy, Claim, Claimant, Claims, Lookup, Places, Published, Record, Store, StoreError, StoreErrorKind,
};

/// How soon an interrupt is seen while another run publishes.
const LOOK: Duration = Duration::from_millis(50);

/// The state of a run's publishing.
#[derive(Debug)]
pub(super) struct Publisher {
    claims: Claims,
    /// The turn when the run began.
    turn: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    right: Right,
    /// The settled stages, in that order; a stage that was done again is there twice.
    settled: Vec<(StageId, ActionKey)>,
    /// Stages whose outputs could not be put there when they were to be put there later.
    failures: Vec<(StageId, FailureReport)>,
}

#[derive(Debug)]
enum Right {
    /// There was nothing to publish yet.
    Unasked,
    /// Nobody else publishes here.
    Held(Claim),
    /// Others publish here; it was said.
    Refused,
    /// The store cannot be written: nobody can claim anything, and hits are served all the same.
    Unclaimed,
}

/// How the wait for the right to publish ended.
enum Waited {
    Held,
    Interrupted,
}

impl Publisher {
    pub(super) fn new(plan: &Plan, store: &Store) -> Publisher {
        let claims = store.claims(&plan.root);
        let turn = claims.turn();
        let state = State { right: Right::Unasked, settled: Vec::new(), failures: Vec::new() };
        Publisher { claims, turn, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places that the pipeline published to in this workspace before.
    pub(super) fn places(&self, shared: &Shared) -> Places {
        let plan = &shared.plan;
        let file = std::path::absolute(&plan.file).unwrap_or_else(|_| plan.file.clone());
        shared.store.places(&self.claims, plan.pipeline.as_str(), file.strip_prefix(&plan.root).unwrap_or(&file))
    }

    /// The stages whose outputs could not be put there later, and why. They are given once.
    pub(super) fn failures(&self) -> Vec<(StageId, FailureReport)> {
        std::mem::take(&mut self.state().failures)
    }

    /// Lets others publish here.
    pub(super) fn give_back(&self) {
        self.state().right = Right::Unasked;
    }

    fn claim(&self, shared: &Shared) -> Result<Result<Right, Busy>, EngineError> {
        let plan = &shared.plan;
        let outputs = plan.graph.node_weights().flat_map(|stage| &stage.outputs);
        let claimant = Claimant {
            run: shared.options.run.clone(),
            pipeline: plan.pipeline.to_string(),
            process: std::process::id(),
            places: outputs.map(|output| output.destination.clone()).collect(),
            around: shared.options.around.clone(),
        };
        match shared.store.claim_places(&self.claims, &claimant) {
            Ok(claimed) => Ok(claimed.map(Right::Held)),
            Err(error) if error.is_read_only() => Ok(Ok(Right::Unclaimed)),
            Err(error) => Err(EngineError::store(error)),
        }
    }
}

/// Publishes every output of `record`, now the last result of the stage, or notes that it is to be published at the end.
/// Returns how many were not in place already.
pub(super) fn publish(
    shared: &Shared,
    stage: StageId,
    record: &Record,
    observer: &mut dyn Observer,
) -> Result<usize, Fault> {
    let planned = &shared.plan.graph[stage];
    shared.store.set_last(shared.plan.pipeline.as_str(), planned.name.as_str(), &record.key);
    if shared.options.publishing == Publishing::No {
        return Ok(0);
    }
    let mut state = shared.publisher.state();
    if matches!(state.right, Right::Unasked | Right::Refused) {
        let missing = missing(shared, stage, record)?;
        if missing > 0 {
            ask(shared, &mut state, observer)?;
        }
        if !matches!(state.right, Right::Held(_) | Right::Unclaimed) {
            state.settled.push((stage, record.key));
            return Ok(missing);
        }
    }
    state.settled.push((stage, record.key));
    place(shared, &mut state, stage, record, observer)
}

/// Asks for the right to publish. A run that gets it after others published looks again at outputs that were in place until then.
fn ask(shared: &Shared, state: &mut State, observer: &mut dyn Observer) -> Result<(), EngineError> {
    match shared.publisher.claim(shared)? {
        Ok(right) => gain(shared, state, right, observer),
        Err(busy) => {
            if !matches!(state.right, Right::Refused) {
                let message = format!("{} publishes to the same places; this run publishes at its end", who(&busy));
                observer.on(&RunEvent::PublishingWaits { message });
            }
            state.right = Right::Refused;
            Ok(())
        }
    }
}

fn gain(shared: &Shared, state: &mut State, right: Right, observer: &mut dyn Observer) -> Result<(), EngineError> {
    let others = matches!(&right, Right::Held(claim) if claim.turn != shared.publisher.turn);
    let again = others || matches!(state.right, Right::Refused);
    state.right = right;
    if again { publish_settled(shared, state, observer) } else { Ok(()) }
}

/// Publishes all that is settled so far.
fn publish_settled(shared: &Shared, state: &mut State, observer: &mut dyn Observer) -> Result<(), EngineError> {
    // Of a stage that was done again, the last counts.
    let latest: IndexMap<StageId, ActionKey> = state.settled.iter().copied().collect();
    for (stage, key) in latest {
        // An action without a record cannot be published later, and one that is being made anew is published then.
        if let Some(record) = settled(shared, stage, &key)? {
            match fault::split(place(shared, state, stage, &record, observer))? {
                Ok(_) => {}
                Err(failure) => state.failures.push((stage, failure)),
            }
        }
    }
    Ok(())
}

/// The record of a stage that is settled, with what is needed of it. Only its place may have become one that must be filled since.
fn settled(shared: &Shared, stage: StageId, key: &ActionKey) -> Result<Option<Box<Record>>, EngineError> {
    match shared.store.record(key).map_err(EngineError::store)? {
        Lookup::Hit(record) => Ok(Some(record)),
        Lookup::Elsewhere(away) => {
            let needed = needed(shared, stage, &away.outputs);
            if !needed.is_empty() {
                // What does not come is told by whoever wants to put it there.
                shared.sharing.content(&shared.store, &needed, &|| false, &mut |_| ())?;
            }
            Ok(Some(Box::new(away.record)))
        }
        Lookup::Miss(_) => Ok(None),
    }
}

/// Those of `away`, which lie on the remote, that must be here: they were asked for, or their places hold something else, which would
/// be taken for them.
pub(super) fn needed(shared: &Shared, stage: StageId, away: &[(String, Artifact)]) -> Vec<Artifact> {
    let planned = &shared.plan.graph[stage];
    let asked = || shared.options.materialize.contains(&planned.name);
    let is_taken = |port: &str| {
        let place = planned.outputs.iter().find(|output| output.port.as_str() == port);
        place.is_some_and(|output| std::fs::symlink_metadata(shared.plan.root.join(&output.destination)).is_ok())
    };
    let publishes = shared.options.publishing == Publishing::Yes;
    let needed = away.iter().filter(|(port, _)| publishes && is_taken(port) || asked());
    needed.map(|(_, artifact)| artifact.clone()).collect()
}

/// Whether an output lies on the remote and may stay there: nothing is at its place.
fn stays_away(shared: &Shared, artifact: &Artifact, place: &Path) -> Result<bool, EngineError> {
    if !shared.sharing.is_on() || std::fs::symlink_metadata(place).is_ok() {
        return Ok(false);
    }
    shared.store.lacks(artifact).map_err(EngineError::store)
}

/// The outputs of `record` with the places where they belong.
fn outputs<'a>(
    shared: &'a Shared,
    stage: StageId,
    record: &'a Record,
) -> impl Iterator<Item = (&'a Artifact, &'a PlannedOutput)> {
    let outputs = shared.plan.graph[stage].outputs.iter();
    outputs.filter_map(|output| Some((record.outputs.get(output.port.as_str())?, output)))
}

fn missing(shared: &Shared, stage: StageId, record: &Record) -> Result<usize, Fault> {
    let mut missing = 0;
    for (artifact, output) in outputs(shared, stage, record) {
        let place = shared.plan.root.join(&output.destination);
        let there = shared.store.is_in_place(artifact, &place);
        let there =
            there.map_err(|error| fault_at(shared, stage, output, error))? || stays_away(shared, artifact, &place)?;
        missing += usize::from(!there);
    }
    Ok(missing)
}

fn fault_at(shared: &Shared, stage: StageId, output: &PlannedOutput, error: StoreError) -> Fault {
    let planned = &shared.plan.graph[stage];
    if shared.sharing.is_on() && matches!(error.kind, StoreErrorKind::Missing) {
        let place = output.destination.display();
        return Fault::Stage(FailureReport {
            class: FailureClass::InvalidInput,
            message: format!(
                "output `{}` cannot be put at {place}: it is not here, and the remote did not give it",
                output.port
            ),
            help: Some(format!("run again when the remote can be reached; declared at {}", planned.location)),
        });
    }
    Fault::of_publishing(&shared.store, planned, output, error)
}

fn place(
    shared: &Shared,
    state: &mut State,
    stage: StageId,
    record: &Record,
    observer: &mut dyn Observer,
) -> Result<usize, Fault> {
    let name = &shared.plan.graph[stage].name;
    let displaced = shared.store.displaced_dir(&shared.options.run);
    let mut placed = 0;
    for (artifact, output) in outputs(shared, stage, record) {
        let destination = output.destination.as_path();
        let full = shared.plan.root.join(destination);
        if stays_away(shared, artifact, &full)? {
            continue;
        }
        failpoint::reach(Failpoint::DuringPublish);
        let may = || bounds::writing(&shared.plan, &shared.store, output);
        let published = shared.store.publish_if(artifact, &full, &displaced, &may);
        let published = published.map_err(|error| fault_at(shared, stage, output, error))?;
        placed += usize::from(published != Published::Unchanged);
        let left_by = finish(&mut state.right, destination).map_err(EngineError::store)?;
        if let Published::Displaced { to } = published {
            observer.on(&match left_by {
                Some(run) => RunEvent::StageLog {
                    stage: name.clone(),
                    level: Level::Warning,
                    message: leftover(destination, &run, &to),
                },
                None => RunEvent::Displaced { stage: name.clone(), from: destination.to_owned(), to },
            });
        }
    }
    Ok(placed)
}

/// Nothing unfinished lies at `place` any more; returns the run that had left something there.
fn finish(right: &mut Right, place: &Path) -> Result<Option<String>, StoreError> {
    let Right::Held(claim) = right else { return Ok(None) };
    let left_by = claim.unfinished(place).map(str::to_owned);
    claim.finish(place)?;
    Ok(left_by)
}

fn leftover(place: &Path, run: &str, to: &Path) -> String {
    format!("{} was left unfinished by run {run}; it was moved to {}", place.display(), to.display())
}

fn who(busy: &Busy) -> String {
    format!("run {} of `{}` (process {})", busy.by.run, busy.by.pipeline, busy.by.process)
}

/// Takes the right to publish for a stage that writes in the workspace itself, waiting for it, and publishes the inputs that it
/// reads there. `say` is told whom it waits for.
pub(super) fn claim_now(shared: &Shared, say: impl Fn(String)) -> Result<(), EngineError> {
    let mut said = None;
    loop {
        let busy = {
            let mut state = shared.publisher.state();
            if matches!(state.right, Right::Held(_) | Right::Unclaimed) {
                return Ok(());
            }
            match shared.publisher.claim(shared)? {
                Ok(right) => return gain(shared, &mut state, right, &mut Quiet(&say)),
                Err(busy) => busy,
            }
        };
        if said.as_ref() != Some(&busy.by.run) {
            say(format!("waits for {}, which publishes to the same places", who(&busy)));
            said = Some(busy.by.run.clone());
        }
        busy.wait().map_err(EngineError::store)?;
    }
}

/// Puts the inputs of a stage that runs in the workspace itself at their places, where they stayed on the remote until now. The right to
/// publish is held.
pub(super) fn bring_out(shared: &Shared, stage: StageId, inputs: &[Artifact]) -> Result<(), Fault> {
    let displaced = shared.store.displaced_dir(&shared.options.run);
    for (input, artifact) in shared.plan.graph[stage].inputs.iter().zip(inputs) {
        let InputSource::Stage { stage: producer, port } = &input.source else { continue };
        let given = shared.plan.graph[*producer].outputs.iter().find(|output| output.port == *port);
        let Some(output) = given else { continue };
        let full = shared.plan.root.join(&output.destination);
        if std::fs::symlink_metadata(&full).is_ok() {
            continue;
        }
        let may = || bounds::writing(&shared.plan, &shared.store, output);
        let published = shared.store.publish_if(artifact, &full, &displaced, &may);
        published.map_err(|error| fault_at(shared, *producer, output, error))?;
    }
    Ok(())
}

/// Reports files that were moved aside where there is no observer.
struct Quiet<'a, F>(&'a F);

impl<F: Fn(String)> Observer for Quiet<'_, F> {
    fn on(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Displaced { from, to, .. } => (self.0)(format!(
                "{} held a file that `pipe` did not write; it was moved to {}",
                from.display(),
                to.display()
            )),
            RunEvent::StageLog { message, .. } => (self.0)(message.clone()),
            _ => {}
        }
    }
}

/// Makes room at `place`, where a stage is about to write by itself, and notes that the file there will be the stage's own. Returns a
/// message about a file that had to be moved.
pub(super) fn begin(shared: &Shared, place: &Path) -> Result<Option<String>, StoreError> {
    let mut state = shared.publisher.state();
    let full = shared.plan.root.join(place);
    let run = &shared.options.run;
    let left_by = match &state.right {
        Right::Held(claim) => claim.unfinished(place).map(str::to_owned),
        _ => None,
    };
    if left_by.as_ref() == Some(run) {
        shared.store.discard(&full)?;
    }
    let moved = shared.store.vacate(&full, &shared.store.displaced_dir(run))?;
    if let Right::Held(claim) = &mut state.right {
        claim.finish(place)?;
        claim.begin(place, run)?;
    }
    Ok(moved.map(|to| match left_by {
        Some(by) => leftover(place, &by, &to),
        None => {
            let (from, to) = (place.display(), to.display());
            format!("{from} held a file that `pipe` did not write; it was moved to {to}")
        }
    }))
}

/// Notes that the output which a stage wrote to `place` by itself is in the store.
pub(super) fn finished(shared: &Shared, place: &Path) -> Result<(), StoreError> {
    finish(&mut shared.publisher.state().right, place).map(|_| ())
}

/// Puts damaged files right where they were published: one object is linked to the places of all stages that gave the same.
pub(super) fn heal(shared: &Shared, observer: &mut dyn Observer) -> Result<(), EngineError> {
    let mut state = shared.publisher.state();
    // A run that waits for another one publishes all of it later.
    if shared.store.was_spoiled() && matches!(state.right, Right::Held(_) | Right::Unclaimed) {
        publish_settled(shared, &mut state, observer)?;
    }
    Ok(())
}

/// How publishing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// All that was to be published is.
    Published,
    /// The user did not want to wait; the results are in the store.
    Interrupted,
}

/// Publishes at the end of the run the outputs that could not be published before.
pub(super) fn close(
    shared: &Shared,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Closing, EngineError> {
    if !is_pending(shared) {
        return Ok(Closing::Published);
    }
    if all_in_place(shared)? {
        shared.publisher.give_back();
        return Ok(Closing::Published);
    }
    loop {
        let mut state = shared.publisher.state();
        match shared.publisher.claim(shared)? {
            Ok(right) => {
                gain(shared, &mut state, right, observer)?;
                return Ok(Closing::Published);
            }
            Err(busy) => {
                let message = format!("everything is done; waits to publish until {} ends", who(&busy));
                observer.on(&RunEvent::PublishingWaits { message });
                if let Waited::Interrupted = wait(busy, interrupt)? {
                    return Ok(Closing::Interrupted);
                }
            }
        }
    }
}

/// Whether something waits to be published.
pub(super) fn is_pending(shared: &Shared) -> bool {
    matches!(shared.publisher.state().right, Right::Refused)
}

/// Whether a run that publishes the same has done it all.
fn all_in_place(shared: &Shared) -> Result<bool, EngineError> {
    let latest: IndexMap<StageId, ActionKey> = shared.publisher.state().settled.iter().copied().collect();
    for (stage, key) in latest {
        if let Some(record) = settled(shared, stage, &key)?
            // An error is reported when the output is to be published.
            && fault::split(missing(shared, stage, &record))?.map_or(true, |missing| missing > 0)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Waits until that run has ended or this one is interrupted. The thread that waits for the lock then goes with the process.
fn wait(busy: Busy, interrupt: &Interrupt) -> Result<Waited, EngineError> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        // Nobody listens any more to a wait that was given up.
        let _ = sender.send(busy.wait());
    });
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(result) => return result.map(|()| Waited::Held).map_err(EngineError::store),
            Err(RecvTimeoutError::Timeout) if interrupt.asked() => return Ok(Waited::Interrupted),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Waited::Interrupted),
        }
    }
}
