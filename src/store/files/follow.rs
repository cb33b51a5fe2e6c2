//! Everything below a directory, with each symbolic link replaced by its target.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::stamp::Stamp;
use super::walk::{Found, as_path, walk};
use crate::store::StoreError;
use crate::store::error::{At, StoreErrorKind};

/// Whether symbolic links in a directory are kept or followed.
#[derive(Clone, Copy)]
pub enum LinksIn<'a> {
    /// They stay links, and lead nowhere outside.
    Kept,
    /// They are read as the files they point at. The function says why the target of a link may not be read.
    Followed(&'a dyn Fn(&Path) -> Option<String>),
}

/// Entries of one directory, with links followed. A few links that lead to one another's neighbours multiply the entries.
const MOST: usize = 1_000_000;

/// A directory and those around it, as the system knows them.
struct Chain {
    id: (u64, u64),
    above: Option<Rc<Chain>>,
}

impl Chain {
    fn holds(&self, id: (u64, u64)) -> bool {
        let mut next = Some(self);
        while let Some(chain) = next {
            if chain.id == id {
                return true;
            }
            next = chain.above.as_deref();
        }
        false
    }
}

/// Everything below `root`, sorted by the bytes of the paths.
pub(in crate::store) fn walk_with(root: &Path, links: LinksIn<'_>) -> Result<Vec<Found>, StoreError> {
    let LinksIn::Followed(refuses) = links else { return walk(root) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = rustix::fs::open(root, flags, Mode::empty()).at(root)?;
    let mut found = Vec::new();
    let mut pending: Vec<(Vec<u8>, Option<Rc<Chain>>)> = vec![(Vec::new(), None)];
    while let Some((directory, above)) = pending.pop() {
        let here = root.join(as_path(&directory));
        let name: &Path = if directory.is_empty() { Path::new(".") } else { as_path(&directory) };
        let opened = rustix::fs::openat(&base, name, flags, Mode::empty()).at(&here)?;
        let id = Stamp::open(&opened).map(|stamp| (stamp.dev, stamp.ino)).at(&here)?;
        if above.as_ref().is_some_and(|chain| chain.holds(id)) {
            return Err(StoreError::new(&here, StoreErrorKind::CircularLink));
        }
        let chain = Rc::new(Chain { id, above });
        let mut entries = Dir::new(opened).at(&here)?;
        while let Some(entry) = entries.read() {
            let entry = entry.at(&here)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let mut path = directory.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let (file_type, ino) = match entry.file_type() {
                FileType::Symlink | FileType::Unknown => target(&base, root, &path, refuses)?,
                known => (known, entry.ino()),
            };
            if file_type == FileType::Directory {
                pending.push((path.clone(), Some(Rc::clone(&chain))));
            }
            found.push(Found { path, file_type, ino });
            if found.len() > MOST {
                return Err(StoreError::new(root, StoreErrorKind::TooManyFollowed { most: MOST }));
            }
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The type and size of the entry at `path` or, of a link, of its target.
fn target(
    base: &impl rustix::fd::AsFd,
    root: &Path,
    path: &[u8],
    refuses: &dyn Fn(&Path) -> Option<String>,
) -> Result<(FileType, u64), StoreError> {
    let full = root.join(as_path(path));
    let own = rustix::fs::statat(base, as_path(path), AtFlags::SYMLINK_NOFOLLOW).at(&full)?;
    let stat = match rustix::fs::statat(base, as_path(path), AtFlags::empty()) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::NOTDIR) => {
            let target: PathBuf = as_path(rustix::fs::readlink(&full, Vec::new()).at(&full)?.as_bytes()).into();
            return Err(StoreError::new(&full, StoreErrorKind::DanglingLink { target }));
        }
        Err(Errno::LOOP) => return Err(StoreError::new(&full, StoreErrorKind::CircularLink)),
        Err(error) => return Err(StoreError::io(&full, error)),
    };
    if FileType::from_raw_mode(own.st_mode) == FileType::Symlink {
        let to = std::fs::canonicalize(&full).at(&full)?;
        if let Some(why) = refuses(&to) {
            return Err(StoreError::new(&full, StoreErrorKind::LeadsAway { to, why }));
        }
    }
    Ok((FileType::from_raw_mode(stat.st_mode), stat.st_ino))
}
