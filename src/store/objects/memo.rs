//! The memo: digests of files by their `stat`, so that a file that did not change is not read.
//!
//! Rows are kept as they lie in the file ([`super::memo_file`]), sorted, and searched there; rows that this process learns lie
//! beside them and are merged at the end. Losing the memo costs time, never truth.

use std::collections::HashMap;

use contract::Digest;

use crate::store::files::stamp::Stamp;

/// A row: the digest of one inode, and its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Row {
    pub dev: u64,
    pub ino: u64,
    pub kind: RowKind,
    pub size: u64,
    pub mtime: i64,
    pub ctime: i64,
    pub digest: Digest,
    /// Days since the epoch when it last served. Rows nobody asks for are dropped.
    pub day: u32,
}

/// How far a row may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum RowKind {
    /// A file of the workspace. Believed while size, mtime and ctime stand.
    Source = 1,
    /// A file that the store made or published. `link` moves its ctime, so that is not compared.
    Ours = 2,
    /// A directory that the store published; its content is compared with the tree.
    Tree = 3,
}

/// A row is dropped after this many days without use; a row in use is refreshed after [`REFRESH`].
pub(super) const KEEP_DAYS: u32 = 60;
const REFRESH: u32 = 7;

/// Rows loaded and rows learned.
#[derive(Debug, Default)]
pub(in crate::store) struct Memo {
    /// As loaded: sorted by (dev, ino).
    loaded: Vec<u8>,
    learned: HashMap<(u64, u64), Row>,
    today: u32,
    /// Whether the file held something else, and is to be written anew in any case.
    spoilt: bool,
}

impl Memo {
    /// Over rows in the form of the file.
    pub(crate) fn new(loaded: Vec<u8>, today: u32) -> Memo {
        Memo { loaded, today, ..Memo::default() }
    }

    /// Of a file that held something else.
    pub(crate) fn spoilt(today: u32) -> Memo {
        Memo { today, spoilt: true, ..Memo::default() }
    }

    /// The rows that were loaded.
    pub(crate) fn into_loaded(self) -> Vec<u8> {
        self.loaded
    }

    /// The digest of a file with this stamp, if it is known and nothing moved.
    pub(crate) fn file(&mut self, stamp: &Stamp) -> Option<Digest> {
        let row = self.find(stamp)?;
        let still = (row.size, row.mtime) == (stamp.size, stamp.mtime)
            && match row.kind {
                RowKind::Source => row.ctime == stamp.ctime,
                RowKind::Ours => true,
                RowKind::Tree => false,
            };
        self.believed(row, still)
    }

    /// The digest of an untouched file that the store made or published.
    pub(crate) fn ours(&mut self, stamp: &Stamp) -> Option<Digest> {
        let row = self.find(stamp)?;
        self.believed(row, row.kind == RowKind::Ours && (row.size, row.mtime) == (stamp.size, stamp.mtime))
    }

    /// The tree that was published as this directory.
    pub(crate) fn tree(&mut self, stamp: &Stamp) -> Option<Digest> {
        let row = self.find(stamp)?;
        self.believed(row, row.kind == RowKind::Tree)
    }

    /// Learns a workspace file, unless a write since `before` (nanoseconds, taken before it was read) could hide.
    pub(crate) fn learn_source(&mut self, stamp: &Stamp, digest: Digest, before: i64) {
        if !is_racy(stamp, before) {
            self.learn(stamp, RowKind::Source, digest);
        }
    }

    /// Learns a file that the store made or published. Sealed files are never racy.
    pub(crate) fn learn_ours(&mut self, stamp: &Stamp, digest: Digest) {
        self.learn(stamp, RowKind::Ours, digest);
    }

    /// Learns a published directory.
    pub(crate) fn learn_tree(&mut self, stamp: &Stamp, digest: Digest) {
        self.learn(stamp, RowKind::Tree, digest);
    }

    /// Whether there is anything to save.
    pub(crate) fn has_news(&self) -> bool {
        self.spoilt || !self.learned.is_empty()
    }

    /// The rows loaded and the rows learned. The caller merges the latter into the newest file and starts again from that.
    pub(crate) fn learned(&self) -> impl Iterator<Item = &Row> {
        self.learned.values()
    }

    fn learn(&mut self, stamp: &Stamp, kind: RowKind, digest: Digest) {
        let Stamp { dev, ino, size, mtime, ctime, .. } = *stamp;
        self.learned.insert((dev, ino), Row { dev, ino, kind, size, mtime, ctime, digest, day: self.today });
    }

    fn find(&self, stamp: &Stamp) -> Option<Row> {
        let key = (stamp.dev, stamp.ino);
        self.learned.get(&key).copied().or_else(|| super::memo_file::search(&self.loaded, key))
    }

    fn believed(&mut self, row: Row, still: bool) -> Option<Digest> {
        if still && row.day + REFRESH < self.today {
            self.learned.insert((row.dev, row.ino), Row { day: self.today, ..row });
        }
        still.then_some(row.digest)
    }
}

/// Git's rule: a file written at the moment it was read may be written again within the same tick of the filesystem's clock,
/// unseen. Linux ticks every 1 to 10 ms; a filesystem without a fraction of a second gets two seconds.
fn is_racy(stamp: &Stamp, before: i64) -> bool {
    const SECOND: i64 = 1_000_000_000;
    let newest = stamp.mtime.max(stamp.ctime);
    let coarse = stamp.mtime % SECOND == 0 && stamp.ctime % SECOND == 0;
    newest + if coarse { 2 * SECOND } else { SECOND / 50 } > before
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn stamp(ino: u64, mtime: i64) -> Stamp {
        Stamp { dev: 1, ino, size: 5, mtime, ctime: mtime, mode: 0o100_644, shared: false }
    }

    #[test]
    fn a_file_written_when_it_was_read_is_not_believed() {
        let digest = Digest::of(b"x");
        let now = 1_000 * SECOND + 500_000_000;
        for (mtime, believed) in [
            (now, false),
            (now - SECOND / 1000, false),
            (now - SECOND / 10, true),
            // Whole seconds: a coarse clock.
            (999 * SECOND, false),
            (998 * SECOND, true),
            // The clock was set back after the file was written.
            (now + 3600 * SECOND, false),
        ] {
            let mut memo = Memo::default();
            memo.learn_source(&stamp(1, mtime), digest, now);
            assert_eq!(memo.file(&stamp(1, mtime)), believed.then_some(digest), "{}", mtime - now);
        }
    }

    #[test]
    fn a_moved_ctime_unsettles_a_source_but_not_a_file_of_ours() {
        let (mut memo, digest) = (Memo::default(), Digest::of(b"x"));
        memo.learn_source(&stamp(1, 10), digest, 9 * SECOND);
        memo.learn_ours(&stamp(2, 10), digest);
        memo.learn_tree(&stamp(3, 10), digest);
        let later = |ino| Stamp { ctime: 11, ..stamp(ino, 10) };
        assert_eq!((memo.file(&later(1)), memo.file(&later(2))), (None, Some(digest)));
        assert_eq!((memo.ours(&stamp(1, 10)), memo.ours(&later(2))), (None, Some(digest)));
        assert_eq!((memo.file(&stamp(3, 10)), memo.tree(&later(3))), (None, Some(digest)));
        let larger = Stamp { size: 6, ..stamp(2, 10) };
        assert_eq!(memo.file(&larger), None);
    }
}
