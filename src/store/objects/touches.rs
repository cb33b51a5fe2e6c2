//! The ctime that each object had after this process last touched it.
//!
//! A seal lies in the mtime, which anybody may set back after a write. Nobody sets a ctime back, but our own links move it too: so
//! after each of them the new one is noted, and any other shows a foreign write. Of an object without a note nothing is known.
//! Two changes within one tick of the clock look like one; since Linux 6.13 a file that was looked at has no ticks.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::files::stamp::Stamp;

/// By device and inode.
#[derive(Debug, Default)]
pub(in crate::store) struct Touches {
    noted: Mutex<HashMap<(u64, u64), i64>>,
    spoiled: Mutex<HashSet<(u64, u64)>>,
}

impl Touches {
    /// Notes the state in which this process leaves a file. Several threads link one file: the newest ctime is of the last.
    pub(crate) fn note(&self, stamp: &Stamp) {
        let mut noted = self.noted();
        let ctime = noted.entry((stamp.dev, stamp.ino)).or_insert(stamp.ctime);
        *ctime = (*ctime).max(stamp.ctime);
    }

    /// Whether somebody else touched the file since this process did.
    pub(crate) fn moved(&self, stamp: &Stamp) -> bool {
        self.noted().get(&(stamp.dev, stamp.ino)).is_some_and(|ctime| *ctime != stamp.ctime)
    }

    /// The file is an object that a stage of this run damaged, and lies in quarantine.
    pub(crate) fn spoil(&self, stamp: &Stamp) {
        self.spoiled.lock().unwrap_or_else(PoisonError::into_inner).insert((stamp.dev, stamp.ino));
    }

    /// Whether that was said of any.
    pub(crate) fn any_spoiled(&self) -> bool {
        !self.spoiled.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether that was said of it.
    pub(crate) fn is_spoiled(&self, stamp: &Stamp) -> bool {
        self.spoiled.lock().unwrap_or_else(PoisonError::into_inner).contains(&(stamp.dev, stamp.ino))
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<(u64, u64), i64>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_do_shows_until_it_is_noted() {
        let touches = Touches::default();
        let stamp = |ctime| Stamp { dev: 1, ino: 2, size: 3, mtime: 4, ctime, mode: 0, shared: true };
        assert!(!touches.moved(&stamp(10)), "nothing is known of it");
        touches.note(&stamp(12));
        touches.note(&stamp(11));
        assert!(!touches.moved(&stamp(12)));
        assert!(touches.moved(&stamp(13)));
        touches.note(&stamp(13));
        assert!(!touches.moved(&stamp(13)));
    }
}
