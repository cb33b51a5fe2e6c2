//! Lists the actions that have state at a place, also those of other clients, and ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contract::backend::State;
use serde::Serialize;

use super::board::Board;
use super::documents::{End, Stop};
use super::launcher::Launcher;
use super::pace::Pace;
use super::place::RemotePlace;
use super::standing::Pulse;
use crate::action::ActionKey;
use crate::remote::{FailedClass, Remote, RemoteError};
use crate::store::Store;

/// An action with state at a place.
#[derive(Clone, Debug, Serialize)]
pub struct Occupant {
    /// The action's key.
    pub key: ActionKey,
    /// The stage, as the client that launched it calls it; `None` where its order cannot be read.
    pub stage: Option<String>,
    /// The backend of its newest attempt, as the client that launched it calls that.
    #[serde(skip)]
    pub place: String,
    /// Its newest attempt.
    pub attempt: u32,
    /// How that stands.
    pub standing: Standing,
    /// The machine and process that has, or had, the lease.
    pub owner: Option<String>,
    /// When the lease was renewed last, in Unix seconds.
    pub renewed: Option<u64>,
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No end is recorded.
    Running,
    /// It gave its result, or found one.
    Finished,
    /// The stage failed.
    Failed,
    /// It was interrupted.
    Interrupted,
    /// The place broke.
    Broken,
    /// No end is recorded, and its instance has ended.
    Lost,
    /// A document of its state cannot be read.
    Unreadable,
}

/// Everything that has state at the place, by key. Other places may have their objects there too: `belongs` tells by their names.
pub fn occupants(
    place: &RemotePlace,
    store: &Store,
    belongs: &dyn Fn(&str) -> bool,
) -> Result<Vec<Occupant>, RemoteError> {
    let (remote, launcher) = place.open()?;
    let mut occupants = Vec::new();
    for key in by_key(&remote)?.into_keys() {
        let board = Board::new(&remote, key);
        let mut occupant = occupant(&board, store)?;
        if !belongs(&occupant.place) {
            continue;
        }
        if occupant.standing == Standing::Running && has_ended(launcher.as_ref(), &occupant)? {
            // It may have said how it ended just before that.
            occupant = self::occupant(&board, store)?;
            if occupant.standing == Standing::Running {
                occupant.standing = Standing::Lost;
            }
        }
        occupants.push(occupant);
    }
    Ok(occupants)
}

/// Whether the place says that the instance has ended.
fn has_ended(launcher: &dyn Launcher, occupant: &Occupant) -> Result<bool, RemoteError> {
    let instance = launcher.look(&occupant.key, occupant.attempt)?;
    Ok(instance.is_some_and(|instance| instance.state == State::Ended))
}

/// Stops the attempts that run at the place and removes their state. Their results stay, as records. Returns the actions that were there.
pub fn reap(place: &RemotePlace, store: &Store, belongs: &dyn Fn(&str) -> bool) -> Result<Vec<Occupant>, RemoteError> {
    let (remote, launcher) = place.open()?;
    let (mut reaped, mut of_others) = (Vec::new(), BTreeSet::new());
    for key in by_key(&remote)?.into_keys() {
        let board = Board::new(&remote, key);
        let occupant = occupant(&board, store)?;
        if !belongs(&occupant.place) {
            of_others.insert(key.to_string());
            continue;
        }
        if occupant.standing == Standing::Running {
            stop(&board, launcher.as_ref(), occupant.attempt, place.timing.lease)?;
        }
        // More were written since the names were listed.
        remote.remove(&board.names()?)?;
        reaped.push(occupant);
    }
    // Instances that belong to no action any more.
    for orphan in launcher.list()?.into_iter().filter(|instance| !of_others.contains(&instance.action)) {
        launcher.cancel(&orphan.id)?;
    }
    launcher.reap()?;
    Ok(reaped)
}

/// Asks the attempt to end, and waits until it has, or shows no life any more. An instance that has not begun is ended at once.
fn stop(board: &Board, launcher: &dyn Launcher, attempt: u32, lease: Duration) -> Result<(), RemoteError> {
    let lease = board.intent(attempt)?.map_or(lease, |intent| intent.timing.lease);
    board.write_stop(attempt, &Stop {})?;
    let has_begun = board.lease()?.is_some_and(|(lease, _)| lease.epoch == attempt);
    let instance = launcher.look(&board.key, attempt)?;
    if let Some(instance) = instance.as_ref().filter(|_| !has_begun) {
        launcher.cancel(&instance.id)?;
    }
    let mut pulse = Pulse::new(lease, Instant::now());
    let mut pace = Pace::new(board.remote.pace());
    while board.attempt(attempt)?.is_none() {
        let ended = launcher.look(&board.key, attempt)?.is_none_or(|instance| instance.state == State::Ended);
        let sign = board.lease()?.map(|(lease, _)| (lease.epoch, lease.beat));
        if (ended && !has_begun) || pulse.is_lost(sign, Instant::now()) {
            break;
        }
        std::thread::sleep(pace.pause());
        pace.slow_down();
    }
    Ok(())
}

/// The action of this board. One of which a document cannot be read is an occupant too: it can be reaped.
pub(super) fn occupant(board: &Board, store: &Store) -> Result<Occupant, RemoteError> {
    let attempt = board.newest()?;
    let stage = board.spec(store).ok().flatten().map(|spec| spec.order.trace.stage.to_string());
    match read(board, attempt, stage.clone()) {
        Err(error) if error.class == FailedClass::Invalid => Ok(Occupant {
            key: board.key,
            stage,
            place: board.intent(attempt).ok().flatten().map(|intent| intent.place).unwrap_or_default(),
            attempt,
            standing: Standing::Unreadable,
            owner: None,
            renewed: None,
        }),
        occupant => occupant,
    }
}

fn read(board: &Board, attempt: u32, stage: Option<String>) -> Result<Occupant, RemoteError> {
    let standing = match board.attempt(attempt)?.map(|attempt| attempt.end) {
        None => Standing::Running,
        Some(End::Finished {} | End::Found {}) => Standing::Finished,
        Some(End::Failed { .. }) => Standing::Failed,
        Some(End::Interrupted { .. }) => Standing::Interrupted,
        Some(End::Broken { .. }) => Standing::Broken,
    };
    let lease = board.lease()?.map(|(lease, _)| lease);
    let (owner, renewed) = lease.map(|lease| (lease.owner, lease.renewed)).unzip();
    let place = board.intent(attempt)?.map(|intent| intent.place).unwrap_or_default();
    Ok(Occupant { key: board.key, stage, place, attempt, standing, owner, renewed })
}

/// The names of the objects of each action.
pub(super) fn by_key(remote: &Remote) -> Result<BTreeMap<ActionKey, Vec<String>>, RemoteError> {
    let mut names: BTreeMap<ActionKey, Vec<String>> = BTreeMap::new();
    for name in remote.names_of_actions()? {
        let key = name.split('/').nth(1).and_then(|key| key.parse().ok());
        if let Some(key) = key {
            names.entry(key).or_default().push(name);
        }
    }
    Ok(names)
}
