//! Locks: flock only. The kernel drops them however the holder ends, so there is no stale lock and no unlock command.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::mend;
use crate::action::ActionKey;
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::Stamp;
use crate::store::{Store, StoreError};

/// The right to execute one action; given back on drop.
#[derive(Debug)]
pub struct ActionLock {
    path: PathBuf,
    _file: File,
}

impl Drop for ActionLock {
    fn drop(&mut self) {
        // Removed while still held: a process that waits on this file sees that the name has gone and takes a new one. A file
        // that stays behind is empty and harmless.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Waits for the right of `run` to execute the action `key`. Take it before looking for its record a last time. Where one of
    /// the runs `around` has it, of whose stages this run is a part, that is an error: they would wait for each other.
    pub fn lock_action(&self, key: &ActionKey, run: &str, around: &[String]) -> Result<ActionLock, StoreError> {
        self.claim()?;
        let path = self.layout.lock(&key.to_string());
        if !around.is_empty() && try_take(&path)?.is_none() {
            // Its first line is the run that has it. Gone by now: that run has given it back.
            let holder = fs::read_to_string(&path).unwrap_or_default();
            if let Some(run) = holder.lines().next().filter(|holder| around.iter().any(|run| run == holder)) {
                return Err(StoreError::new(&path, StoreErrorKind::HeldAround { run: run.to_owned() }));
            }
        }
        let file = take(&path).map_err(|error| self.unwritable(error))?;
        // Only runs within runs read it, and one that finds nothing waits.
        let _ = file.write_all_at(format!("{run}\n").as_bytes(), 0);
        Ok(ActionLock { _file: file, path })
    }

    /// The right to execute the action `key`, unless somebody has it.
    pub fn try_lock_action(&self, key: &ActionKey) -> Result<Option<ActionLock>, StoreError> {
        let path = self.layout.lock(&key.to_string());
        Ok(try_take(&path)?.map(|file| ActionLock { _file: file, path }))
    }
}

/// Takes the lock at `path`, which lies in a room of the store, waiting for it.
pub(in crate::store) fn take(path: &Path) -> Result<File, StoreError> {
    take_below(store_of(path), path)
}

/// Takes the lock at `path`, somewhere in the store at `root`, waiting for it.
pub(in crate::store) fn take_below(root: &Path, path: &Path) -> Result<File, StoreError> {
    loop {
        let file = open_below(root, path)?;
        file.lock().at(path)?;
        if is_current(&file, path)? {
            return Ok(file);
        }
    }
}

/// Takes the lock at `path` if it is free.
pub(super) fn try_take(path: &Path) -> Result<Option<File>, StoreError> {
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_current(&file, path)? => return Ok(Some(file)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(StoreError::io(path, error)),
        }
    }
}

/// Opens the file of a lock, which lies in a room of the store, and makes it where it is not there. Anything else under that name is
/// moved aside: a directory cannot be locked so that others see it, and a pipe would make everybody wait.
pub(super) fn open(path: &Path) -> Result<File, StoreError> {
    open_below(store_of(path), path)
}

fn store_of(path: &Path) -> &Path {
    let room = path.parent().unwrap_or(path);
    room.parent().unwrap_or(room)
}

/// As [`open()`], for a file somewhere in the store at `root`.
pub(in crate::store) fn open_below(root: &Path, path: &Path) -> Result<File, StoreError> {
    let room = path.parent().unwrap_or(path);
    for _ in 0..ATTEMPTS {
        match open::lock_file(path).at(path)? {
            Opened::File((file, _)) => return Ok(file),
            Opened::Nothing => mend::directory(root, room)?,
            Opened::Other(_) => {
                if let Some(stamp) = Stamp::stored(path).at(path)?
                    && !stamp.is_file()
                {
                    mend::set_aside(root, path, &stamp)?;
                }
            }
        }
    }
    Err(StoreError::new(path, StoreErrorKind::Occupied))
}

/// How often a place is put right that others meddle with at the same time.
const ATTEMPTS: u32 = 10;

/// The last holder removes the file, so a lock counts only while its file still has the name.
fn is_current(file: &File, path: &Path) -> Result<bool, StoreError> {
    let held = Stamp::open(file).at(path)?;
    Ok(Stamp::stored(path).at(path)?.is_some_and(|named| named.same_file(&held)))
}
