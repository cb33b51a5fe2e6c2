//! Everything below a directory, in the canonical order, without recursion and without a `stat` a file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::StoreError;
use super::error::At;

/// Something below a directory.
#[derive(Debug)]
pub(super) struct Found {
    /// Relative to the directory walked.
    pub path: Vec<u8>,
    pub file_type: FileType,
    /// As the directory lists it. A filesystem may list another than `stat` gives; then a comparison by it fails, no more.
    pub ino: u64,
}

impl Found {
    pub fn path(&self) -> &Path {
        as_path(&self.path)
    }
}

/// Everything below `root`, sorted by the bytes of the paths. Symbolic links are not followed.
pub(super) fn walk(root: &Path) -> Result<Vec<Found>, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = rustix::fs::open(root, flags, Mode::empty()).at(root)?;
    let mut found = Vec::new();
    let mut pending = vec![Vec::new()];
    while let Some(directory) = pending.pop() {
        let at = || root.join(as_path(&directory));
        let name: &Path = if directory.is_empty() { Path::new(".") } else { as_path(&directory) };
        let listed = rustix::fs::openat(&base, name, flags | OFlags::NOFOLLOW, Mode::empty());
        let mut entries = listed.and_then(Dir::new).at(&at())?;
        while let Some(entry) = entries.read() {
            let entry = entry.at(&at())?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
            path.extend_from_slice(&directory);
            if !directory.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let file_type = match entry.file_type() {
                FileType::Unknown => {
                    let stat = rustix::fs::statat(&base, as_path(&path), AtFlags::SYMLINK_NOFOLLOW);
                    FileType::from_raw_mode(stat.at(&root.join(as_path(&path)))?.st_mode)
                }
                known => known,
            };
            if file_type == FileType::Directory {
                pending.push(path.clone());
            }
            found.push(Found { path, file_type, ino: entry.ino() });
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Bytes as a path.
pub(super) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
