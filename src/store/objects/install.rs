//! Puts finished objects under their names: one rename each, and a second writer drops its copy.

use std::fs;
use std::path::Path;

use rustix::io::Errno;

use super::check::Content;
use super::manifest::Manifest;
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::aside;
use crate::store::files::removal::remove_tree;
use crate::store::files::stamp::Stamp;
use crate::store::records::model::Artifact;
use crate::store::{Presence, Store, StoreError};

impl Store {
    /// Moves the sealed file at `from` to its name; it is gone from `from` afterwards in any case.
    pub(in crate::store) fn install_blob(&self, from: &Path, content: Content) -> Result<Artifact, StoreError> {
        self.claim()?;
        let path = self.layout.blob(&content.digest, content.executable);
        self.make_dir(path.parent().unwrap_or(&path))?;
        loop {
            if movable(self.check_blob(&content)?)? == Presence::Present {
                fs::remove_file(from).at(from)?;
                return Ok(content.into());
            }
            match aside::install(from, &path) {
                Ok(()) => {
                    // The rename moved the ctime of the file that was just hashed and sealed.
                    Stamp::of(&path).at(&path)?.iter().for_each(|stamp| self.touches.note(stamp));
                    return Ok(content.into());
                }
                // Somebody was faster; look at theirs.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(StoreError::io(blamed(error, from, &path), error)),
            }
        }
    }

    /// Moves the directory at `from`, whose files are sealed, to its name; it is gone from `from` afterwards in any case.
    pub(in crate::store) fn install_tree(&self, from: &Path, manifest: &Manifest) -> Result<Artifact, StoreError> {
        self.claim()?;
        let (artifact, bytes) = manifest.artifact();
        let path = self.layout.tree(&artifact.digest);
        self.make_dir(path.parent().unwrap_or(&path))?;
        loop {
            if movable(self.check(&artifact)?)? == Presence::Present {
                remove_tree(from)?;
                return Ok(artifact);
            }
            // The manifest first: a tree without one would never be found, one without a tree is no harm.
            let named = self.layout.manifest(&artifact.digest);
            let temporary = self.fresh()?;
            fs::write(&temporary, &bytes).at(&temporary)?;
            match aside::install(&temporary, &named) {
                Ok(()) => {}
                Err(Errno::EXIST) => fs::rename(&temporary, &named).at(&named)?,
                Err(error) => return Err(StoreError::io(&named, error)),
            }
            match aside::install(from, &path) {
                Ok(()) => return Ok(artifact),
                Err(Errno::EXIST | Errno::NOTEMPTY) => {}
                Err(error) => return Err(StoreError::io(blamed(error, from, &path), error)),
            }
        }
    }
}

/// A damaged object that stays under its name would be met again for ever.
fn movable(presence: Presence) -> Result<Presence, StoreError> {
    match presence {
        Presence::Damaged { path, quarantined: None } => Err(StoreError::new(&path, StoreErrorKind::Immovable)),
        other => Ok(other),
    }
}

/// The path of a rename that an error is about: the new object, if it is on another filesystem.
fn blamed<'a>(error: Errno, from: &'a Path, to: &'a Path) -> &'a Path {
    if error == Errno::XDEV { from } else { to }
}
