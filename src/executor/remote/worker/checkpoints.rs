//! Checkpoints as artifacts: what an interrupted attempt left, for the next one wherever that runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use contract::types::Form;

use crate::executor::remote::board::Board;
use crate::executor::remote::documents::Checkpoint;
use crate::executor::remote::lease::Held;
use crate::remote::{Meter, TransferError};
use crate::store::{Artifact, Store};

/// The number of the checkpoint that a client sends between two attempts: behind those of the attempt before.
const BETWEEN: u32 = u32::MAX;

/// Sends the checkpoints that lie in `store` as the one of this epoch and number, the document last. While the stage goes on, `whole` is
/// the one that it said is complete: others may come and go meanwhile. Returns what was sent; `None` where there is nothing, or the lease
/// is lost.
pub(super) fn send(
    board: &Board,
    store: &Store,
    (epoch, number): (u32, u32),
    whole: Option<&Path>,
    held: &Held,
) -> Result<Option<Artifact>, TransferError> {
    let Some(directory) = filled(store, board)? else { return Ok(None) };
    let content = match whole {
        Some(whole) => store.ingest_around(&directory, whole)?,
        None => store.ingest(&directory, Form::Dir)?,
    };
    board.remote.send(store, std::slice::from_ref(&content), &Meter::default(), &mut |_| ())?;
    if !held.permits_now() {
        return Ok(None);
    }
    board.write_checkpoint(number, &Checkpoint { epoch, content: content.clone(), sent: millis(SystemTime::now()) })?;
    Ok(Some(content))
}

/// Sends the checkpoints that lie in `store`, where they are newer than those there, before the attempt behind `epoch` is launched.
pub(in crate::executor::remote) fn send_newer(board: &Board, store: &Store, epoch: u32) -> Result<(), TransferError> {
    let Some(directory) = filled(store, board)? else { return Ok(()) };
    let names = board.checkpoints()?;
    let newest = names.first().map_or(Ok(None), |name| board.checkpoint(name))?;
    if newest.is_some_and(|newest| newest.sent >= millis(written(&directory))) {
        return Ok(());
    }
    let content = store.ingest(&directory, Form::Dir)?;
    for name in names {
        // It came from there. The clocks of two machines need not tell that.
        if board.checkpoint(&name)?.is_some_and(|there| there.content == content) {
            return Ok(());
        }
    }
    board.remote.send(store, std::slice::from_ref(&content), &Meter::default(), &mut |_| ())?;
    board.write_checkpoint(BETWEEN, &Checkpoint { epoch, content, sent: millis(SystemTime::now()) })?;
    Ok(())
}

/// The directory of the checkpoints, where something lies in it.
fn filled(store: &Store, board: &Board) -> Result<Option<PathBuf>, TransferError> {
    let directory = store.checkpoint_dir(&board.key)?;
    let is_empty = fs::read_dir(&directory).map_or(true, |mut entries| entries.next().is_none());
    Ok((!is_empty).then_some(directory))
}

/// When something in the directory was written last. One that cannot be told is old.
fn written(directory: &Path) -> SystemTime {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let times = entries.filter_map(|entry| entry.metadata().and_then(|entry| entry.modified()).ok());
    times.chain(fs::metadata(directory).and_then(|directory| directory.modified()).ok()).max().unwrap_or(UNIX_EPOCH)
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis().try_into().unwrap_or(u64::MAX))
}

/// As [`bring`], where the newest checkpoint there is newer than those that lie in `store`.
pub(in crate::executor::remote) fn bring_newer(board: &Board, store: &Store) -> Result<bool, TransferError> {
    if let Some(directory) = filled(store, board)? {
        let newest = board.checkpoints()?.first().map_or(Ok(None), |name| board.checkpoint(name))?;
        if newest.is_none_or(|newest| newest.sent <= millis(written(&directory))) {
            return Ok(false);
        }
    }
    bring(board, store)
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
