//! Everything below a directory, in the canonical order, without recursion and without a `stat` a file.
//!
//! A directory may lie deeper than a path can name: from time to time the walk goes on from an open directory instead of the first, so
//! that it follows any depth with few of them open at once. The caller decides whether such deep entries can be used.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::store::StoreError;
use crate::store::error::{At, StoreErrorKind};

/// Something below a directory.
#[derive(Debug)]
pub(in crate::store) struct Found {
    /// Relative to the directory walked.
    pub path: Vec<u8>,
    pub file_type: FileType,
    /// As the directory lists it. A filesystem may list another than `stat` gives; then a comparison by it fails, no more.
    pub ino: u64,
}

impl Found {
    pub(crate) fn path(&self) -> &Path {
        as_path(&self.path)
    }
}

/// How often a directory is walked anew that others change meanwhile.
const ATTEMPTS: u32 = 5;

/// Beyond so many bytes of path below an open directory, the walk opens the next.
const STRIDE: usize = 1024;

/// Everything below `root`, sorted by the bytes of the paths. Symbolic links are not followed. If an entry vanishes meanwhile, the
/// walk begins again, so that the answer was true at one time.
pub(in crate::store) fn walk(root: &Path) -> Result<Vec<Found>, StoreError> {
    for _ in 0..ATTEMPTS {
        let mut vanished = false;
        let found = list(root, &mut |_| vanished = true)?;
        if !vanished {
            return Ok(found);
        }
    }
    Err(StoreError::new(root, StoreErrorKind::Changing))
}

/// Everything below `root` that does not vanish meanwhile.
pub(in crate::store) fn present(root: &Path) -> Result<Vec<Found>, StoreError> {
    list(root, &mut |_| ())
}

/// A directory that is still to be read: where it lies, below an open one and below the first.
struct Pending {
    base: Rc<OwnedFd>,
    below: Vec<u8>,
    path: Vec<u8>,
}

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn list(root: &Path, vanished: &mut dyn FnMut(&[u8])) -> Result<Vec<Found>, StoreError> {
    let base = Rc::new(rustix::fs::open(root, FLAGS, Mode::empty()).at(root)?);
    let mut found = Vec::new();
    let mut pending = vec![Pending { base, below: Vec::new(), path: Vec::new() }];
    while let Some(Pending { mut base, mut below, path: directory }) = pending.pop() {
        let at = || root.join(as_path(&directory));
        let name: &Path = if below.is_empty() { Path::new(".") } else { as_path(&below) };
        let opened = match rustix::fs::openat(&base, name, FLAGS | OFlags::NOFOLLOW, Mode::empty()) {
            // It was a directory when it was listed.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                vanished(&directory);
                continue;
            }
            opened => opened.at(&at())?,
        };
        let mut entries = if below.len() > STRIDE {
            base = Rc::new(opened);
            below.clear();
            Dir::read_from(&*base)
        } else {
            Dir::new(opened)
        }
        .at(&at())?;
        while let Some(entry) = entries.read() {
            let entry = match entry {
                // A directory that was removed while it was read gives this error.
                Err(Errno::NOENT) => {
                    vanished(&directory);
                    break;
                }
                entry => entry.at(&at())?,
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let (path, below) = (joined(&directory, name), joined(&below, name));
            let file_type = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(&*base, as_path(&below), AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                        vanished(&path);
                        continue;
                    }
                    stat => FileType::from_raw_mode(stat.at(&root.join(as_path(&path)))?.st_mode),
                },
                known => known,
            };
            if file_type == FileType::Directory {
                pending.push(Pending { base: Rc::clone(&base), below, path: path.clone() });
            }
            found.push(Found { path, file_type, ino: entry.ino() });
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// Bytes as a path.
pub(in crate::store) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes entries that no path can name.
    fn remove_deep(root: &Path) {
        let status = std::process::Command::new("rm").arg("-rf").arg(root).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn a_directory_deeper_than_a_path_can_name_is_walked_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let mut at = rustix::fs::open(&root, FLAGS, Mode::empty()).unwrap();
        let name = "n".repeat(100);
        for _ in 0..130 {
            rustix::fs::mkdirat(&at, &*name, Mode::from_raw_mode(0o755)).unwrap();
            at = rustix::fs::openat(&at, &*name, FLAGS, Mode::empty()).unwrap();
        }
        let found = walk(&root).unwrap();
        remove_deep(&root);
        assert_eq!(found.len(), 130);
        assert_eq!(found.last().unwrap().path.len(), 130 * 101 - 1);
    }
}
