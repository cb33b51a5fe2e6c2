//! The memo's file: a header with a checksum, then fixed rows sorted by (device, inode), little-endian.
//!
//! A file that is damaged, short or of another version is taken for empty. Two processes that save at the same time take
//! turns under a lock, and each merges its rows into the file.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::Digest;

use super::memo::{KEEP_DAYS, Memo, Row, RowKind};
use crate::store::directory::{lock, mend};
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::in_words;
use crate::store::{Damage, DamagedThing, Store, StoreError};

const MAGIC: &[u8; 8] = b"pipememo";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 4 + 32;
const ROW: usize = 80;

/// The memo as it was last saved.
pub(in crate::store) fn load(path: &Path) -> Memo {
    match open::read(path) {
        Ok(Opened::File(bytes)) => match sound(&bytes) {
            Soundness::Sound => Memo::new(rows_of(bytes), today()),
            Soundness::OtherVersion => Memo::new(Vec::new(), today()),
            Soundness::Damaged => {
                mend::tell(format!("{} was damaged; what it knew is read anew", path.display()));
                Memo::spoilt(today())
            }
        },
        // It is moved aside when it is saved.
        Ok(Opened::Other(_)) => Memo::spoilt(today()),
        // Absent or unreadable: nothing is known.
        Ok(Opened::Nothing) | Err(_) => Memo::new(Vec::new(), today()),
    }
}

impl Store {
    /// Writes down the learned rows, if any, so that the next run need not read the same files. Call it at the end. On a
    /// store that cannot be written they are forgotten: that costs time, never truth, and hits are to be served there too.
    pub fn save_memo(&self) -> Result<(), StoreError> {
        match self.save_last().and_then(|()| self.save_rows()) {
            Err(error) if error.is_read_only() => Ok(()),
            result => result,
        }
    }

    /// Reads the memo's file; damaged, it is put aside.
    pub(in crate::store) fn scrub_memo(&self) -> Result<Option<Damage>, StoreError> {
        let path = self.layout.memo();
        let why = match open::read(&path).at(&path)? {
            Opened::Nothing => return Ok(None),
            Opened::Other(kind) => format!("{} lies there", in_words(kind)),
            Opened::File(bytes) => match sound(&bytes) {
                Soundness::Sound | Soundness::OtherVersion => return Ok(None),
                Soundness::Damaged => "its checksum differs".to_owned(),
            },
        };
        Ok(self.damaged(DamagedThing::Memo, &path, path.clone(), why))
    }

    fn save_rows(&self) -> Result<(), StoreError> {
        let mut memo = self.memo();
        if !memo.has_news() {
            return Ok(());
        }
        self.claim()?;
        let _turn = lock::take(&self.layout.lock("memo"))?;
        let path = self.layout.memo();
        let rows = merge(&load(&path).into_loaded(), &memo);
        let mut bytes = Vec::with_capacity(HEADER + rows.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(Digest::of(&rows).as_bytes());
        bytes.extend_from_slice(&rows);
        if let Opened::Other(_) = open::file(&path).at(&path)? {
            self.displace(&path);
        }
        let temporary = self.fresh()?;
        fs::write(&temporary, bytes).at(&temporary)?;
        self.put(&temporary, &path)?;
        *memo = Memo::new(rows, today());
        Ok(())
    }
}

/// Whether a memo lies at `path`.
pub(in crate::store) fn is_one(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    let is_file = fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
    is_file && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *MAGIC
}

/// Finds a row among sorted ones.
pub(super) fn search(rows: &[u8], key: (u64, u64)) -> Option<Row> {
    let (mut low, mut high) = (0, rows.len() / ROW);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = &rows[middle * ROW..(middle + 1) * ROW];
        match key_of(row).cmp(&key) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return parse(row),
        }
    }
    None
}

enum Soundness {
    Sound,
    OtherVersion,
    Damaged,
}

fn sound(bytes: &[u8]) -> Soundness {
    let Some((header, rows)) = bytes.split_at_checked(HEADER) else { return Soundness::Damaged };
    let checked = header[16..] == *Digest::of(rows).as_bytes();
    match () {
        () if &header[..8] != MAGIC => Soundness::Damaged,
        () if header[8..12] != VERSION.to_le_bytes() => Soundness::OtherVersion,
        () if checked && rows.len().is_multiple_of(ROW) => Soundness::Sound,
        () => Soundness::Damaged,
    }
}

fn rows_of(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.drain(..HEADER);
    bytes
}

/// The rows on disk, updated with the learned ones, without those that nobody used for long.
fn merge(on_disk: &[u8], memo: &Memo) -> Vec<u8> {
    let mut learned: Vec<&Row> = memo.learned().collect();
    learned.sort_unstable_by_key(|row| (row.dev, row.ino));
    let mut learned = learned.into_iter().peekable();
    let oldest = today().saturating_sub(KEEP_DAYS);
    let mut rows = Vec::with_capacity(on_disk.len() + learned.len() * ROW);
    for old in on_disk.chunks_exact(ROW) {
        let key = key_of(old);
        let mut replaced = false;
        while let Some(row) = learned.next_if(|row| (row.dev, row.ino) <= key) {
            replaced = (row.dev, row.ino) == key;
            write(row, &mut rows);
        }
        if !replaced && parse(old).is_some_and(|row| row.day >= oldest) {
            rows.extend_from_slice(old);
        }
    }
    learned.for_each(|row| write(row, &mut rows));
    rows
}

fn write(row: &Row, rows: &mut Vec<u8>) {
    for number in [row.dev, row.ino, row.size, row.mtime as u64, row.ctime as u64] {
        rows.extend_from_slice(&number.to_le_bytes());
    }
    rows.extend_from_slice(row.digest.as_bytes());
    rows.extend_from_slice(&row.day.to_le_bytes());
    rows.extend_from_slice(&[row.kind as u8, 0, 0, 0]);
}

fn parse(row: &[u8]) -> Option<Row> {
    let number = |index: usize| word(row, index * 8);
    let kind = match row[76] {
        1 => RowKind::Source,
        2 => RowKind::Ours,
        3 => RowKind::Tree,
        _ => return None,
    };
    Some(Row {
        dev: number(0),
        ino: number(1),
        kind,
        size: number(2),
        mtime: number(3) as i64,
        ctime: number(4) as i64,
        digest: Digest::from_bytes(row[40..72].try_into().ok()?),
        day: u32::from_le_bytes(row[72..76].try_into().ok()?),
    })
}

fn key_of(row: &[u8]) -> (u64, u64) {
    (word(row, 0), word(row, 8))
}

fn word(row: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes of a row of eighty"))
}

fn today() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| (elapsed.as_secs() / 86_400) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::stamp::Stamp;

    fn stamp(ino: u64) -> Stamp {
        Stamp { dev: 7, ino, size: ino * 3, mtime: -5, ctime: 9, mode: 0o100_644, shared: false }
    }

    fn digest(ino: u64) -> Digest {
        Digest::of(&ino.to_le_bytes())
    }

    #[test]
    fn two_processes_that_save_lose_nothing_of_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (Store::open(directory.path()).unwrap(), Store::open(directory.path()).unwrap());
        for ino in [8, 2, 4] {
            one.memo().learn_ours(&stamp(ino), digest(ino));
        }
        for ino in [4, 5, 1] {
            two.memo().learn_ours(&stamp(ino), digest(ino));
        }
        one.save_memo().unwrap();
        two.save_memo().unwrap();
        let mut memo = load(&directory.path().join("memo"));
        assert!(!memo.has_news());
        for ino in 0..10 {
            let known = [1, 2, 4, 5, 8].contains(&ino);
            assert_eq!(memo.ours(&stamp(ino)), known.then(|| digest(ino)), "{ino}");
        }
    }

    #[test]
    fn a_damaged_memo_is_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.memo().learn_ours(&stamp(3), digest(3));
        store.save_memo().unwrap();
        let path = directory.path().join("memo");
        let sound = fs::read(&path).unwrap();
        assert_eq!(load(&path).ours(&stamp(3)), Some(digest(3)));
        for at in [0, 8, 20, HEADER, HEADER + 40, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            // Bytes 12..16 are spare; everything else is covered.
            assert_eq!(load(&path).ours(&stamp(3)), None, "byte {at}");
        }
        fs::write(&path, &sound[..sound.len() - 1]).unwrap();
        assert_eq!(load(&path).ours(&stamp(3)), None);
        fs::write(&path, "").unwrap();
        assert_eq!(load(&path).ours(&stamp(3)), None);
    }

    #[test]
    fn rows_that_nobody_uses_are_dropped_in_time() {
        let old = Memo::new(Vec::new(), today() - KEEP_DAYS - 1);
        let mut old = old;
        old.learn_ours(&stamp(1), digest(1));
        let rows = merge(&[], &old);
        assert_eq!(rows.len(), ROW);
        let mut now = Memo::new(rows.clone(), today());
        assert_eq!(merge(&rows, &now).len(), 0);
        // Asking for it counts as use.
        assert_eq!(now.ours(&stamp(1)), Some(digest(1)));
        assert_eq!(merge(&rows, &now).len(), ROW);
    }
}
