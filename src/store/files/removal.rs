//! Removes the leftovers of programs: read-only directories, directories that may not be listed, trees of any depth.
//!
//! A directory with something in it moves to the top before it is emptied. So nothing recurses, no path grows, and two open
//! directories do for any depth. Permissions change on directories only: a file may be a link to an object of the store.

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::stamp::Stamp;
use crate::store::StoreError;
use crate::store::error::StoreErrorKind;

/// Removes the tree at `path`, if there is one. The error names the first thing that stays, where it lies then; everything else has
/// gone.
pub fn remove_tree(path: &Path) -> std::result::Result<(), StoreError> {
    remove_all(path).map_err(|(path, error)| stays(&path, error))
}

/// As [`remove_tree`], with the thing that stays and the reason.
pub(in crate::store) fn remove_all(path: &Path) -> std::result::Result<(), (PathBuf, Errno)> {
    let here = |error| (path.to_owned(), error);
    match Stamp::of(path).map_err(here)? {
        None => return Ok(()),
        Some(there) if there.is_dir() => {}
        Some(_) => return gone(rustix::fs::unlink(path)).map_err(here),
    }
    if gone(rustix::fs::rmdir(path)).is_ok() {
        return Ok(());
    }
    let top = open(CWD, path).map_err(here)?;
    let mut clearing = Clearing { top, pending: Vec::new(), hoisted: 0, stuck: None };
    clearing.pending.extend(list(clearing.top.as_fd()).map_err(here)?.into_iter().map(|(name, _)| name));
    while let Some(name) = clearing.pending.pop() {
        if let Err(error) = clearing.clear(&name) {
            clearing.stuck.get_or_insert((as_path(&name).to_owned(), error));
        }
    }
    match (gone(rustix::fs::rmdir(path)), clearing.stuck) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some((inner, error))) => Err((path.join(inner), error)),
        (Err(error), None) => Err(here(error)),
    }
}

/// Renames `from`, a directory or a file, to `to`. Moving a directory takes the right to write to it, which its owner may have given up.
pub(in crate::store) fn move_away(from: &Path, to: &Path) -> Result<()> {
    match rustix::fs::rename(from, to) {
        Err(Errno::ACCESS) => {
            open(CWD, from)?;
            rustix::fs::rename(from, to)
        }
        result => result,
    }
}

/// A tree that is being removed.
struct Clearing {
    top: OwnedFd,
    /// The entries of `top`.
    pending: Vec<CString>,
    hoisted: u64,
    /// The first thing that cannot be removed, where it lies now.
    stuck: Option<(PathBuf, Errno)>,
}

impl Clearing {
    /// Removes an entry of the top. Directories in it that are not empty move to the top.
    fn clear(&mut self, entry: &CString) -> Result<()> {
        match gone(rustix::fs::unlinkat(&self.top, entry, AtFlags::empty())) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            result => return result,
        }
        if gone(rustix::fs::unlinkat(&self.top, entry, AtFlags::REMOVEDIR)).is_ok() {
            return Ok(());
        }
        let directory = open(self.top.as_fd(), as_path(entry))?;
        for (name, file_type) in list(directory.as_fd())? {
            if let Err(error) = self.clear_inner(directory.as_fd(), &name, file_type) {
                self.stuck.get_or_insert((as_path(entry).join(as_path(&name)), error));
            }
        }
        gone(rustix::fs::unlinkat(&self.top, entry, AtFlags::REMOVEDIR))
    }

    fn clear_inner(&mut self, directory: BorrowedFd, name: &CString, file_type: FileType) -> Result<()> {
        if file_type != FileType::Directory {
            match gone(rustix::fs::unlinkat(directory, name, AtFlags::empty())) {
                Err(Errno::ISDIR) => {}
                result => return result,
            }
        }
        if gone(rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)).is_ok() {
            return Ok(());
        }
        loop {
            let hoisted = CString::new(format!(".{}", self.hoisted)).map_err(|_| Errno::INVAL)?;
            self.hoisted += 1;
            let renamed = match rustix::fs::renameat(directory, name, &self.top, &hoisted) {
                // Its `..` changes, so it must be writable itself.
                Err(Errno::ACCESS) => {
                    open(directory, as_path(name))?;
                    rustix::fs::renameat(directory, name, &self.top, &hoisted)
                }
                result => result,
            };
            match renamed {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.pending.push(hoisted);
                    return Ok(());
                }
            }
        }
    }
}

/// Opens a directory and gives its owner all rights to it.
fn open(at: BorrowedFd, name: &Path) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |more: OFlags| rustix::fs::openat(at, name, flags | more, Mode::empty());
    let directory = match open(OFlags::RDONLY) {
        Err(Errno::ACCESS) => {
            // By its descriptor: the name may be a link by the time that its mode changes.
            let path = open(OFlags::PATH)?;
            rustix::fs::chmod(format!("/proc/self/fd/{}", path.as_raw_fd()), Mode::RWXU)?;
            open(OFlags::RDONLY)?
        }
        result => result?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // Of somebody else's directory the owner alone may do that; then the next step fails and says so.
        let _ = rustix::fs::fchmod(&directory, mode | Mode::RWXU);
    }
    Ok(directory)
}

fn list(directory: BorrowedFd) -> Result<Vec<(CString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

/// A file that was not there, or has gone meanwhile, counts as removed.
fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

fn as_path(name: &CString) -> &Path {
    super::walk::as_path(name.to_bytes())
}

/// A directory that fills again while it is emptied is no place that is taken.
fn stays(path: &Path, error: Errno) -> StoreError {
    match error {
        Errno::NOTEMPTY | Errno::EXIST => StoreError::new(path, StoreErrorKind::Io(error.into())),
        error => StoreError::io(path, error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn whatever_is_read_only_or_closed_goes_and_what_links_lead_to_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (outside, tree) = (directory.path().join("outside"), directory.path().join("tree"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("mine"), "mine").unwrap();
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir_all(tree.join(".0/x")).unwrap();
        fs::write(tree.join(".0/x/y"), "").unwrap();
        fs::write(tree.join(".1"), "a name that hoisting would take").unwrap();
        fs::write(tree.join("a/b/c/f"), "").unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("a/b/link")).unwrap();
        for (inner, mode) in [("a/b/c", 0o000), ("a/b", 0o111), ("a", 0o555), ("", 0o400)] {
            chmod(&tree.join(inner), mode);
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert_eq!(fs::read_to_string(outside.join("mine")).unwrap(), "mine");
        remove_tree(&tree).unwrap();
        std::os::unix::fs::symlink(&outside, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(outside.join("mine").exists());
    }

    #[test]
    fn a_tree_deeper_than_a_path_and_than_the_stack_goes() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut at = open(CWD, &tree).unwrap();
        for _ in 0..20_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = open(at.as_fd(), Path::new("d")).unwrap();
        }
        drop(at);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }
}
