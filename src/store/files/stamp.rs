//! The parts of `stat` that the store uses.

use std::path::Path;

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::{Errno, Result};

/// Identity, size and times of a file. Times are nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Stamp {
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    pub mtime: i64,
    pub ctime: i64,
    pub mode: u32,
    /// Whether it has other names.
    pub shared: bool,
}

impl Stamp {
    /// Of `path` itself, or of its target where it is a symbolic link.
    pub(crate) fn following(path: &Path) -> Result<Stamp> {
        rustix::fs::stat(path).map(|stat| Stamp::from(&stat))
    }

    /// Of `path` itself; `None` when nothing is there.
    pub(crate) fn of(path: &Path) -> Result<Option<Stamp>> {
        match rustix::fs::lstat(path) {
            Ok(stat) => Ok(Some(Stamp::from(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Stamp::of`], for a file in the store: nothing is there either where a directory above it is no directory.
    pub(crate) fn stored(path: &Path) -> Result<Option<Stamp>> {
        match Stamp::of(path) {
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(None),
            result => result,
        }
    }

    /// Of `name` below an open directory; `None` when nothing is there.
    pub(crate) fn below(directory: impl AsFd, name: &Path) -> Result<Option<Stamp>> {
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::from(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of an open file.
    pub(crate) fn open(file: impl AsFd) -> Result<Stamp> {
        rustix::fs::fstat(file).map(|stat| Stamp::from(&stat))
    }

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(crate) fn is_file(&self) -> bool {
        self.file_type() == FileType::RegularFile
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// Whether its owner may execute it.
    pub(crate) fn executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    pub(crate) fn same_file(&self, other: &Stamp) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Whether nothing was written between the two.
    pub(crate) fn same_content(&self, later: &Stamp) -> bool {
        self.same_file(later) && (self.size, self.mtime) == (later.size, later.mtime)
    }
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Stamp {
        let nanoseconds =
            |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Stamp {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: stat.st_size as u64,
            mtime: nanoseconds(stat.st_mtime, stat.st_mtime_nsec as i64),
            ctime: nanoseconds(stat.st_ctime, stat.st_ctime_nsec as i64),
            mode: stat.st_mode,
            shared: stat.st_nlink > 1,
        }
    }
}

/// A file type in words, for messages.
pub(in crate::store) fn in_words(file_type: FileType) -> &'static str {
    match file_type {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}
