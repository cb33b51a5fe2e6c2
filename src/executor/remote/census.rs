//! What runs at a place, whoever launched it, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::board::Board;
use super::documents::{End, Stop};
use super::loopback::Loopback;
use super::standing::Pulse;
use crate::action::ActionKey;
use crate::remote::{Remote, RemoteError};

/// How soon it is looked again whether what was stopped has ended.
const LOOK: Duration = Duration::from_millis(50);

/// An action with state at a place.
#[derive(Clone, Debug, Serialize)]
pub struct Occupant {
    /// The action's key.
    pub key: ActionKey,
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
    /// It was not told how it ended.
    Running,
    /// It gave its result, or found one.
    Finished,
    /// The stage failed.
    Failed,
    /// It was interrupted.
    Interrupted,
    /// The place broke.
    Broken,
}

/// Everything that has state at the place, by key.
pub fn occupants(loopback: &Loopback) -> Result<Vec<Occupant>, RemoteError> {
    let remote = Arc::new(Remote::open(&loopback.place())?);
    by_key(&remote)?.keys().map(|key| occupant(&Board::new(&remote, *key))).collect()
}

/// Stops what runs at the place and removes the state of everything. What was given stays, as records. Returns what there was.
pub fn reap(loopback: &Loopback) -> Result<Vec<Occupant>, RemoteError> {
    let remote = Arc::new(Remote::open(&loopback.place())?);
    let mut reaped = Vec::new();
    for (key, names) in by_key(&remote)? {
        let board = Board::new(&remote, key);
        let occupant = occupant(&board)?;
        if occupant.standing == Standing::Running {
            stop(&board, occupant.attempt, loopback.timing.lease)?;
        }
        // Some were written meanwhile.
        let names = by_key(&remote)?.remove(&key).unwrap_or(names);
        remote.remove(&names)?;
        reaped.push(occupant);
    }
    loopback.sweep();
    Ok(reaped)
}

/// Asks the attempt to end, and waits until it has, or shows no life any more.
fn stop(board: &Board, attempt: u32, lease: Duration) -> Result<(), RemoteError> {
    let lease = board.intent(attempt)?.map_or(lease, |intent| intent.timing.lease);
    board.write_stop(attempt, &Stop {})?;
    let mut pulse = Pulse::new(lease, Instant::now());
    while board.attempt(attempt)?.is_none() {
        let sign = board.lease()?.map(|(lease, _)| (lease.epoch, lease.beat));
        if pulse.is_lost(sign, Instant::now()) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn occupant(board: &Board) -> Result<Occupant, RemoteError> {
    let attempt = board.newest()?;
    let standing = match board.attempt(attempt)?.map(|attempt| attempt.end) {
        None => Standing::Running,
        Some(End::Finished {} | End::Found {}) => Standing::Finished,
        Some(End::Failed { .. }) => Standing::Failed,
        Some(End::Interrupted { .. }) => Standing::Interrupted,
        Some(End::Broken { .. }) => Standing::Broken,
    };
    let lease = board.lease()?.map(|(lease, _)| lease);
    let (owner, renewed) = lease.map(|lease| (lease.owner, lease.renewed)).unzip();
    Ok(Occupant { key: board.key, attempt, standing, owner, renewed })
}

/// The names of the objects of each action.
fn by_key(remote: &Remote) -> Result<BTreeMap<ActionKey, Vec<String>>, RemoteError> {
    let mut names: BTreeMap<ActionKey, Vec<String>> = BTreeMap::new();
    for name in remote.names_of_actions()? {
        let key = name.split('/').nth(1).and_then(|key| key.parse().ok());
        if let Some(key) = key {
            names.entry(key).or_default().push(name);
        }
    }
    Ok(names)
}
