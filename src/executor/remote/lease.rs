//! An attempt's right to write, held by its worker. A lease with a higher epoch fences it off.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::board::Board;
use super::documents::Lease;
use super::following::PATIENCE;
use super::pace::{Pace, about};
use crate::failpoint::{self, Guard};
use crate::remote::RemoteError;

/// A lease that this process has, or had.
#[derive(Debug)]
pub(super) struct Held {
    board: Board,
    epoch: u32,
    owner: String,
    duration: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    beat: u64,
    /// When the last renewal that succeeded began.
    renewed: Instant,
    lost: bool,
}

impl Held {
    /// Takes the lease for the attempt `epoch`; `None` where a later one has it, or this one had it before.
    pub(super) fn take(
        board: &Board,
        epoch: u32,
        owner: String,
        duration: Duration,
    ) -> Result<Option<Held>, RemoteError> {
        loop {
            let renewed = Instant::now();
            let former = board.lease()?;
            if former.as_ref().is_some_and(|(lease, _)| lease.epoch >= epoch) {
                return Ok(None);
            }
            let lease = document(epoch, &owner, 0, false);
            if board.swap_lease(&lease, former.map(|(_, version)| version))? {
                let state = Mutex::new(State { beat: 0, renewed, lost: false });
                return Ok(Some(Held { board: board.clone(), epoch, owner, duration, state }));
            }
        }
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// How often it is to be renewed.
    pub(super) fn rhythm(&self) -> Duration {
        self.duration / 4
    }

    /// Renews it. Returns whether it is still held.
    pub(super) fn renew(&self) -> bool {
        self.swap(&mut self.state(), false)
    }

    /// Whether this attempt may still write. Asked before every write; a lease that was renewed long ago is renewed first.
    pub(super) fn permits(&self) -> bool {
        let mut state = self.state();
        if state.lost {
            return false;
        }
        state.renewed.elapsed() < self.duration / 2 || self.swap(&mut state, false)
    }

    /// As [`Held::permits`], but it always renews the lease: for the writes that count. While the place does not answer it asks again.
    pub(super) fn permits_now(&self) -> bool {
        let mut pace = Pace::new(self.board.remote.pace());
        loop {
            if self.renew() {
                return true;
            }
            if self.is_lost() {
                return false;
            }
            std::thread::sleep(about(pace.pause()));
            pace.slow_down();
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state().lost
    }

    /// Gives it back.
    pub(super) fn release(&self) {
        let mut state = self.state();
        if !state.lost {
            // Where it cannot be given back it runs out.
            self.swap(&mut state, true);
            state.lost = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swap(&self, state: &mut State, released: bool) -> bool {
        if state.lost {
            return false;
        }
        let begun = Instant::now();
        match self.try_swap(state, released) {
            Ok(true) => state.renewed = begun,
            Ok(false) if failpoint::leaves_out(Guard::Fence) => state.renewed = begun,
            Ok(false) => state.lost = true,
            // Nobody can take it while the place answers nobody, so the stage goes on; but not for ever, since a machine costs money.
            Err(_) => state.lost = state.renewed.elapsed() > PATIENCE.max(self.duration),
        }
        // A lease that was not renewed in time may be another attempt's by now: nothing is written until the place says that it is not.
        !state.lost && state.renewed.elapsed() < self.duration * 3 / 4
    }

    fn try_swap(&self, state: &mut State, released: bool) -> Result<bool, RemoteError> {
        // Where it is gone, somebody removed all that there was of the action.
        let Some((found, version)) = self.board.lease()? else { return Ok(false) };
        if found.epoch != self.epoch || found.owner != self.owner {
            return Ok(false);
        }
        state.beat = state.beat.max(found.beat) + 1;
        let lease = document(self.epoch, &self.owner, state.beat, released);
        self.board.swap_lease(&lease, Some(version))
    }
}

fn document(epoch: u32, owner: &str, beat: u64, released: bool) -> Lease {
    Lease { epoch, owner: owner.to_owned(), beat, renewed: unix_seconds(), released }
}

pub(super) fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
