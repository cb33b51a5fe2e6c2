//! Makes directories where the store needs them, and moves aside everything that lies where it does not belong. Each repair
//! is noted once, in a line for people, which the command prints.
//!
//! If neither works, the caller meets the same error as without the repair.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use crate::store::error::{At, StoreErrorKind};
use crate::store::files::aside;
use crate::store::files::stamp::{Stamp, in_words};
use crate::store::{Store, StoreError};

/// Lines about repairs in this process. Repairs happen deep in calls of any thread, and none of these has anybody to tell.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The most lines that are kept: in a store in which everything is damaged the first are enough.
const MOST_LINES: usize = 50;

/// The repairs since the last call, one line each.
pub fn repairs() -> Vec<String> {
    std::mem::take(&mut *LINES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Notes that something was put right.
pub(in crate::store) fn tell(line: String) {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() < MOST_LINES && !lines.contains(&line) {
        lines.push(line);
    }
}

impl Store {
    /// Makes `directory`, which lies below the store's, with those above it.
    pub(in crate::store) fn make_dir(&self, directory: &Path) -> Result<(), StoreError> {
        self::directory(self.root(), directory)
    }

    /// Moves aside everything on the way to `directory` that is no directory. If that fails, the next user of the path reports the error.
    pub(in crate::store) fn clear_way(&self, directory: &Path) {
        let _ = clear(self.root(), directory);
    }

    /// Renames the file `temporary` to `path`, in place of the file that is there.
    pub(in crate::store) fn put(&self, temporary: &Path, path: &Path) -> Result<(), StoreError> {
        if fs::rename(temporary, path).is_ok() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_dir(parent)?;
        }
        if let Some(stamp) = Stamp::stored(path).at(path)?
            && stamp.is_dir()
        {
            set_aside(self.root(), path, &stamp)?;
        }
        fs::rename(temporary, path).at(path)
    }

    /// Moves the thing at `path` aside, where a file of the store's own belongs.
    pub(in crate::store) fn displace(&self, path: &Path) {
        if let Ok(Some(stamp)) = Stamp::stored(path) {
            // On a read-only store it stays, and readers pass it over.
            let _ = set_aside(self.root(), path, &stamp);
        }
    }
}

/// Makes `directory`, below `root`, with those above it.
pub(super) fn directory(root: &Path, directory: &Path) -> Result<(), StoreError> {
    match Stamp::stored(directory) {
        Ok(Some(stamp)) if stamp.is_dir() => return Ok(()),
        _ => {}
    }
    fs::create_dir_all(root).at(root)?;
    // Twice, as others may make the same repair or remove empty directories.
    clear(root, directory)?;
    match fs::create_dir_all(directory) {
        Ok(()) => return Ok(()),
        Err(_) => clear(root, directory)?,
    }
    fs::create_dir_all(directory).at(directory)
}

/// Moves aside the first thing between `root` and `directory` that is no directory, if there is one.
fn clear(root: &Path, directory: &Path) -> Result<(), StoreError> {
    let Ok(below) = directory.strip_prefix(root) else { return Ok(()) };
    let mut path = root.to_owned();
    for (depth, component) in below.components().enumerate() {
        let Component::Normal(name) = component else { return Ok(()) };
        path.push(name);
        let Some(stamp) = Stamp::stored(&path).at(&path)? else { return Ok(()) };
        if stamp.is_dir() || (depth == 0 && serves(root, &path)) {
            continue;
        }
        return set_aside(root, &path, &stamp).map(|_| ());
    }
    Ok(())
}

/// Whether the link at `path` serves as a room: it leads to a directory of the same filesystem, or one into which nothing is renamed.
fn serves(root: &Path, path: &Path) -> bool {
    const FREE: [&str; 3] = ["runs", "checkpoints", "displaced"];
    let (Ok(root), Ok(there)) = (Stamp::following(root), Stamp::following(path)) else { return false };
    there.is_dir() && (there.dev == root.dev || FREE.iter().any(|room| path.ends_with(room)))
}

/// Moves the thing at `path`, last seen as `stamp`, into quarantine.
pub(super) fn set_aside(root: &Path, path: &Path, stamp: &Stamp) -> Result<PathBuf, StoreError> {
    let to = into_quarantine(root, path).at(path)?;
    // Another process may have put it right between the look and the move.
    let moved = Stamp::stored(&to).at(&to)?;
    if moved.is_some_and(|moved| !moved.same_file(stamp)) && aside::rename_new(&to, path).is_ok() {
        return Ok(path.to_owned());
    }
    tell(format!("{} was {}; it was moved to {}", path.display(), in_words(stamp.file_type()), to.display()));
    Ok(to)
}

/// Moves the thing at `path` into quarantine, which is made, and returns its new place.
pub(in crate::store) fn into_quarantine(root: &Path, path: &Path) -> rustix::io::Result<PathBuf> {
    let room = root.join("quarantine");
    let to = room.join(path.file_name().unwrap_or_default());
    if path == room {
        // It cannot be moved into itself while it has the name.
        let waiting = aside::numbered(path, &root.join(format!("quarantine-{}", std::process::id())))?;
        return aside::numbered(&waiting, &to);
    }
    match aside::numbered(path, &to) {
        Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NOENT) if !is_dir(&room) || !serves(root, &room) => {
            let there = rustix::fs::lstat(&room).map(|stat| Stamp::from(&stat))?;
            set_aside(root, &room, &there).map_err(|error| errno(&error))?;
            aside::numbered(path, &to)
        }
        result => result,
    }
}

fn is_dir(path: &Path) -> bool {
    matches!(Stamp::stored(path), Ok(Some(stamp)) if stamp.is_dir())
}

fn errno(error: &StoreError) -> Errno {
    match &error.kind {
        StoreErrorKind::Io(error) => Errno::from_io_error(error).unwrap_or(Errno::IO),
        StoreErrorKind::ReadOnly => Errno::ROFS,
        _ => Errno::IO,
    }
}
