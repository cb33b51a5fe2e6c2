//! Directories of one process on the store's filesystem, owned by a lock that ends with it: `tmp/` for half-made objects,
//! `work/` for the private directories of stages.
//!
//! `<name>.lock` is held with flock for as long as `<name>/` beside it is in use. The kernel drops it however the process ends,
//! so a process that can take the lock may remove the directory: no pids, no ages.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::layout::is_scratch;
use super::{lock, mend};
use crate::store::StoreError;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::removal::remove_tree;

/// A process's own directory.
#[derive(Debug)]
pub(in crate::store) struct Scratch {
    directory: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    next: AtomicU64,
}

impl Scratch {
    /// Makes one under `parent`, after removing those whose owners are gone.
    pub(crate) fn new(parent: &Path) -> Result<Scratch, StoreError> {
        mend::directory(parent.parent().unwrap_or(parent), parent)?;
        sweep(parent)?;
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
        // Two stores of one process may ask in the same tick, so a taken name is not the end.
        for attempt in 0..1000 {
            let name = format!("{}-{moment:x}-{attempt}", std::process::id());
            let (directory, lock_path) = (parent.join(&name), parent.join(format!("{name}.lock")));
            let Some(lock) = lock::try_take(&lock_path)? else { continue };
            match fs::create_dir(&directory) {
                Ok(()) => return Ok(Scratch { directory, lock_path, _lock: lock, next: AtomicU64::new(0) }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io(&directory, error)),
            }
        }
        Err(StoreError::io(parent, Errno::EXIST))
    }

    /// The path of this name in the directory; the same for every call.
    pub(crate) fn named(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A path that nothing has and nobody else gets.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.directory.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that cannot be removed now is removed by the next process that finds the lock free.
        if remove_tree(&self.directory).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// Removes the directories under `parent` of processes that are gone. Returns the reasons for those that cannot be removed.
pub(in crate::store) fn sweep(parent: &Path) -> Result<Vec<StoreError>, StoreError> {
    let mut stuck = Vec::new();
    for entry in fs::read_dir(parent).at(parent)? {
        let path = entry.at(parent)?.path();
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        // Only names that a process gave; nothing else in there is ours.
        if !is_lock || !path.file_stem().and_then(OsStr::to_str).is_some_and(is_scratch) {
            continue;
        }
        // Another sweeper may be faster with any of these.
        let Ok(Opened::File((lock, _))) = open::file(&path) else { continue };
        match lock.try_lock() {
            Ok(()) => match remove_tree(&path.with_extension("")) {
                Ok(()) => drop(fs::remove_file(&path)),
                Err(error) => stuck.push(error),
            },
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, error)),
        }
    }
    Ok(stuck)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_the_dead_are_removed_and_those_of_the_living_kept() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::new(parent.path()).unwrap();
        fs::write(living.fresh(), "in use").unwrap();
        // The remains of a killed process: both names, and a lock that nobody holds.
        fs::create_dir(parent.path().join("7-dead-0")).unwrap();
        fs::write(parent.path().join("7-dead-0/half"), "half").unwrap();
        fs::write(parent.path().join("7-dead-0.lock"), "").unwrap();
        let second = Scratch::new(parent.path()).unwrap();
        assert!(!parent.path().join("7-dead-0").exists());
        assert!(!parent.path().join("7-dead-0.lock").exists());
        assert_eq!(fs::read_dir(&living.directory).unwrap().count(), 1);
        // Names that no process gives.
        for name in ["thesis", "flake-1", "7-dead-x"] {
            fs::create_dir(parent.path().join(name)).unwrap();
            fs::write(parent.path().join(format!("{name}.lock")), "").unwrap();
        }
        assert!(sweep(parent.path()).unwrap().is_empty());
        for name in ["thesis", "flake-1", "7-dead-x"] {
            fs::remove_dir(parent.path().join(name)).unwrap();
            fs::remove_file(parent.path().join(format!("{name}.lock"))).unwrap();
        }
        drop((living, second));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
