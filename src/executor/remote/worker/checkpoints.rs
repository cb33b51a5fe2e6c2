//! Checkpoints as artifacts: what an interrupted attempt left, for the next one wherever that runs.

use std::fs;

use contract::types::Form;

use crate::executor::remote::board::Board;
use crate::executor::remote::documents::Checkpoint;
use crate::executor::remote::lease::Held;
use crate::remote::{Meter, TransferError};
use crate::store::{Artifact, Store};

/// Sends the checkpoints that lie in `store` as the one of this epoch and number, the document last. Returns what was sent; `None` where
/// there is nothing, or the lease is lost.
pub(in crate::executor::remote) fn send(
    board: &Board,
    store: &Store,
    (epoch, number): (u32, u32),
    held: Option<&Held>,
) -> Result<Option<Artifact>, TransferError> {
    let directory = store.checkpoint_dir(&board.key)?;
    let is_empty = fs::read_dir(&directory).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Ok(None);
    }
    let content = store.ingest(&directory, Form::Dir)?;
    board.remote.send(store, std::slice::from_ref(&content), &Meter::default(), &mut |_| ())?;
    if held.is_some_and(|held| !held.permits_now()) {
        return Ok(None);
    }
    board.write_checkpoint(number, &Checkpoint { epoch, content: content.clone() })?;
    Ok(Some(content))
}

/// Brings the newest checkpoint whose bytes are right into `store`, in the place of those that lie there. Returns whether there was one.
pub(in crate::executor::remote) fn bring(board: &Board, store: &Store) -> Result<bool, TransferError> {
    for name in board.checkpoints()? {
        let Some(checkpoint) = board.checkpoint(&name)? else { continue };
        let content = checkpoint.content;
        let refused = board.remote.fetch(store, std::slice::from_ref(&content), &Meter::default(), &mut |_| ())?;
        if refused.is_empty() {
            let directory = store.checkpoint_dir(&board.key)?;
            store.drop_checkpoints(&board.key)?;
            store.copy_out(&content, &directory)?;
            return Ok(true);
        }
    }
    Ok(false)
}
