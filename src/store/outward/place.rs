//! Puts a file of the store somewhere else: reflink, else hard link, else a copy that is hashed on the way.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::Digest;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::store::error::StoreErrorKind;
use crate::store::files::hash;
use crate::store::files::stamp::Stamp;
use crate::store::objects::seal;

/// Chooses the cheapest way, and remembers when the filesystem has no reflinks.
#[derive(Debug)]
pub(in crate::store) struct Placer {
    reflinks: AtomicBool,
}

/// How a file was put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Way {
    /// It is the object itself.
    Linked,
    /// It has the bytes to itself.
    Copied,
}

/// A path below an open directory.
#[derive(Clone, Copy)]
pub(in crate::store) struct Spot<'a> {
    pub directory: BorrowedFd<'a>,
    pub name: &'a Path,
}

impl<'a> Spot<'a> {
    pub(crate) fn new(directory: &'a impl AsFd, name: &'a Path) -> Spot<'a> {
        Spot { directory: directory.as_fd(), name }
    }

    fn open(self, flags: OFlags) -> rustix::io::Result<File> {
        rustix::fs::openat(
            self.directory,
            self.name,
            flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK,
            Mode::RUSR | Mode::WUSR,
        )
        .map(File::from)
    }

    fn remove(self) {
        // Only after a failure that is reported itself.
        let _ = rustix::fs::unlinkat(self.directory, self.name, AtFlags::empty());
    }
}

impl Placer {
    pub(crate) fn new() -> Placer {
        Placer { reflinks: AtomicBool::new(true) }
    }

    /// Puts the object at `from`, whose content is `digest`, at `to`, where nothing may be.
    pub(crate) fn place(&self, from: Spot, to: Spot, digest: &Digest, executable: bool) -> Result<Way, StoreErrorKind> {
        if self.try_reflink(from, to, executable)? {
            return Ok(Way::Copied);
        }
        match hard_link(from, to) {
            Ok(()) => Ok(Way::Linked),
            Err(error) if needs_copy(error) => copy(from, to, digest, executable).map(|()| Way::Copied),
            Err(error) => Err(kind(error)),
        }
    }

    /// As [`Placer::place`], never by a link.
    pub(crate) fn place_copy(
        &self,
        from: Spot,
        to: Spot,
        digest: &Digest,
        executable: bool,
    ) -> Result<Way, StoreErrorKind> {
        if !self.try_reflink(from, to, executable)? {
            copy(from, to, digest, executable)?;
        }
        Ok(Way::Copied)
    }

    /// Hard links the object at `from` to `to` in one step, where that is the way to take here; `false` when it is not.
    pub(crate) fn link(&self, from: Spot, to: Spot) -> rustix::io::Result<bool> {
        if self.reflinks.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match hard_link(from, to) {
            Ok(()) => Ok(true),
            Err(error) if needs_copy(error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn try_reflink(&self, from: Spot, to: Spot, executable: bool) -> Result<bool, StoreErrorKind> {
        if !self.reflinks.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let source = from.open(OFlags::RDONLY).map_err(kind)?;
        let target = to.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL).map_err(kind)?;
        match rustix::fs::ioctl_ficlone(&target, &source) {
            Ok(()) => finish(&source, &target, to, executable).map(|()| true),
            Err(error) => {
                to.remove();
                if error != Errno::XDEV {
                    self.reflinks.store(false, Ordering::Relaxed);
                }
                Ok(false)
            }
        }
    }

    /// Fills the empty file `to` with the present content of `from`, and returns the digest of the copy.
    pub(crate) fn copy_in(&self, from: &File, to: &File, to_path: &Path, size: u64) -> std::io::Result<Digest> {
        if self.reflinks.load(Ordering::Relaxed) {
            match rustix::fs::ioctl_ficlone(to, from) {
                Ok(()) => return hash::in_place(&File::open(to_path)?, size),
                // Another filesystem says nothing about this one.
                Err(Errno::XDEV) => {}
                Err(_) => self.reflinks.store(false, Ordering::Relaxed),
            }
        }
        hash::copying(from, to, size)
    }
}

fn hard_link(from: Spot, to: Spot) -> rustix::io::Result<()> {
    rustix::fs::linkat(from.directory, from.name, to.directory, to.name, AtFlags::empty())
}

/// The object has all the links it may have, is on another filesystem or a read-only one, or may not be linked: Linux forbids
/// links to others' files.
fn needs_copy(error: Errno) -> bool {
    matches!(error, Errno::MLINK | Errno::XDEV | Errno::ROFS | Errno::PERM | Errno::OPNOTSUPP)
}

fn copy(from: Spot, to: Spot, digest: &Digest, executable: bool) -> Result<(), StoreErrorKind> {
    let source = from.open(OFlags::RDONLY).map_err(kind)?;
    let size = Stamp::open(&source).map_err(kind)?.size;
    let target = to.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL).map_err(kind)?;
    match hash::copying(&source, &target, size) {
        Ok(copied) if copied == *digest => finish(&source, &target, to, executable),
        Ok(_) => {
            to.remove();
            Err(StoreErrorKind::Damaged)
        }
        Err(error) => {
            to.remove();
            Err(error.into())
        }
    }
}

/// A copy gets the object's permissions and mtime, and with it the seal.
fn finish(source: &File, target: &File, to: Spot, executable: bool) -> Result<(), StoreErrorKind> {
    let done = Stamp::open(source).and_then(|stamp| {
        rustix::fs::fchmod(target, Mode::from_raw_mode(seal::mode(executable)))?;
        seal::set_mtime(target, stamp.mtime)
    });
    done.map_err(|error| {
        to.remove();
        kind(error)
    })
}

fn kind(error: Errno) -> StoreErrorKind {
    std::io::Error::from(error).into()
}
