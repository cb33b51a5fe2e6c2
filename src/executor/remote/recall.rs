//! Looks at a place for what an action left there, before this machine carries it out instead.

use super::board::Board;
use super::driver::wanted;
use super::place::RemotePlace;
use super::worker::checkpoints;
use crate::executor::{Order, Reuse};
use crate::remote::{Meter, Pulled, TransferError};
use crate::store::{Record, Store};

/// What an action left at a place.
#[derive(Debug)]
pub enum Recalled {
    /// Its record, with all outputs.
    Record(Box<Record>),
    /// No result.
    Unfinished {
        /// A checkpoint came, from which the action can go on here.
        with_checkpoint: bool,
        /// The attempt that has not said how it ended, so that it may still run.
        may_run: Option<u32>,
    },
}

/// Brings home what the action of `order` left at `place`: its result, or else its newest checkpoint, where that is newer than those here.
/// Neither is wanted where a result may not be reused.
pub fn recall(place: &RemotePlace, store: &Store, order: &Order) -> Result<Recalled, TransferError> {
    let (remote, _) = place.open()?;
    let board = Board::new(&remote, order.key);
    let mut with_checkpoint = false;
    if order.reuse == Reuse::Allowed {
        let pulled = remote.pull(store, &[wanted(order)], &Meter::default(), &mut |_| ())?;
        if let Some(Pulled::Here(record)) = pulled.into_iter().next() {
            return Ok(Recalled::Record(record));
        }
        with_checkpoint = checkpoints::bring_newer(&board, store)?;
    }
    let newest = board.newest()?;
    let may_run = (newest > 0 && board.attempt(newest)?.is_none()).then_some(newest);
    Ok(Recalled::Unfinished { with_checkpoint, may_run })
}
