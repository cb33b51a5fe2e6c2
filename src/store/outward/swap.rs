//! Brings a published artifact to its place: built aside under a temporary name, then one rename, so that nobody sees half.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::place::Spot;
use crate::store::error::At;
use crate::store::files::aside;
use crate::store::files::removal::remove_all;
use crate::store::files::stamp::Stamp;
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Published, Store, StoreError};

impl Store {
    /// Puts `artifact` at `destination`, where nothing is.
    pub(super) fn place_new(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        let object = self.object(artifact);
        let linked = matches!(artifact.shape, Shape::File { .. }) && self.link_new(&object, destination)?;
        if !linked {
            self.build_and(artifact, destination, |new| aside::rename_new(new, destination))?;
        }
        self.learn_published(artifact, destination)
    }

    /// Puts `artifact` at `destination`, replacing the file that we published there and last saw as `there`.
    pub(super) fn exchange(
        &self,
        artifact: &Artifact,
        destination: &Path,
        there: &Stamp,
        displaced: &Path,
    ) -> Result<Published, StoreError> {
        let old = self.build_and(artifact, destination, |new| swap(new, destination))?;
        self.learn_published(artifact, destination)?;
        // Somebody may have written to it since it was looked at.
        if Stamp::of(&old).at(&old)?.is_some_and(|stamp| stamp.same_content(there)) {
            remove(&old).at(&old)?;
            return Ok(Published::Replaced);
        }
        self.clear_way(displaced);
        let to = set_aside(&old, &displaced.join(destination.file_name().unwrap_or_default()))?;
        Ok(Published::Displaced { to })
    }

    /// Builds `artifact` under a temporary name from which one rename brings it to `destination`: in the store, or beside the
    /// destination where that is on another filesystem. Returns that name.
    fn build_and(
        &self,
        artifact: &Artifact,
        destination: &Path,
        rename: impl Fn(&Path) -> rustix::io::Result<()>,
    ) -> Result<PathBuf, StoreError> {
        // A store that cannot be written has no temporary names.
        for new in self.fresh().into_iter().chain([beside(destination)]) {
            let brought = self.build(artifact, &new).map(|()| rename(&new));
            match brought {
                Ok(Ok(())) => return Ok(new),
                Ok(Err(Errno::XDEV)) => remove(&new).at(&new)?,
                Ok(Err(error)) => {
                    // The error that led here says more than one about cleaning up.
                    let _ = remove(&new);
                    return Err(StoreError::io(destination, error));
                }
                Err(error) => {
                    let _ = remove(&new);
                    return Err(error);
                }
            }
        }
        Err(StoreError::io(destination, Errno::XDEV))
    }

    /// Links the object to `destination` where that is the way to take. The link moves the ctime of the object, which is noted unless
    /// somebody else moved it before.
    fn link_new(&self, object: &Path, destination: &Path) -> Result<bool, StoreError> {
        let before = Stamp::stored(object).at(object)?;
        let linked = self.placer.link(Spot::new(&CWD, object), Spot::new(&CWD, destination)).at(destination)?;
        if linked && before.is_some_and(|before| !self.touches.moved(&before)) {
            Stamp::stored(object).at(object)?.iter().for_each(|after| self.touches.note(after));
        }
        Ok(linked)
    }

    fn learn_published(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        if let Some(stamp) = Stamp::of(destination).at(destination)? {
            let mut memo = self.memo();
            match artifact.shape {
                Shape::File { .. } => memo.learn_ours(&stamp, artifact.digest),
                Shape::Dir { .. } => memo.learn_tree(&stamp, artifact.digest),
            }
        }
        Ok(())
    }
}

/// Moves the thing at `path` to `to`, numbered where that is taken, or beside itself where that is on another filesystem, cannot be
/// written or, for a read-only directory, cannot be moved to.
pub(super) fn set_aside(path: &Path, to: &Path) -> Result<PathBuf, StoreError> {
    match aside::numbered(path, to) {
        Err(Errno::XDEV | Errno::ROFS | Errno::ACCESS | Errno::PERM) => {
            let mut name = OsString::from(path);
            name.push(".displaced");
            aside::numbered(path, Path::new(&name)).at(path)
        }
        result => result.at(path),
    }
}

/// Exchanges two paths.
fn swap(new: &Path, destination: &Path) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(CWD, new, CWD, destination, RenameFlags::EXCHANGE) {
        // A filesystem that cannot: for a moment nothing is there.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let mut name = OsString::from(new);
            name.push(".old");
            let old = Path::new(&name);
            rustix::fs::rename(destination, old)?;
            rustix::fs::rename(new, destination)?;
            rustix::fs::rename(old, new)
        }
        result => result,
    }
}

pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    match Stamp::of(path)? {
        None => Ok(()),
        Some(stamp) if stamp.is_dir() => remove_all(path).map_err(|(_, error)| error.into()),
        Some(_) => fs::remove_file(path),
    }
}

fn beside(destination: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(destination.file_name().unwrap_or_default());
    name.push(format!(".pipe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    destination.with_file_name(name)
}
