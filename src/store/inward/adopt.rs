//! Takes outputs from a private directory: hashed where they lie, sealed, and moved into the store without a copy.

use std::fs::{self, File};
use std::path::Path;

use contract::types::Form;
use rustix::fs::{FileType, Mode, OFlags};

use crate::store::error::{At, StoreErrorKind};
use crate::store::files::hash;
use crate::store::files::removal::remove_tree;
use crate::store::files::stamp::{Stamp, in_words};
use crate::store::files::walk::walk;
use crate::store::objects::check::Content;
use crate::store::objects::seal;
use crate::store::objects::tree::{describe, require_depth};
use crate::store::records::model::Artifact;
use crate::store::{Store, StoreError};

impl Store {
    /// Takes the file or directory at `path` into the store. Nobody may write to it any more; afterwards it is no longer at
    /// `path`.
    pub fn adopt(&self, path: &Path, form: Form) -> Result<Artifact, StoreError> {
        let stamp = Stamp::of(path).at(path)?.ok_or_else(|| StoreError::new(path, StoreErrorKind::NotFound))?;
        require_form(path, &stamp, form)?;
        let adopted = match form {
            Form::File => self.seal(path).and_then(|content| self.install_blob(path, content)),
            Form::Dir => self.adopt_dir(path),
        };
        match adopted {
            Err(StoreError { kind: StoreErrorKind::CrossDevice, .. }) => {
                let artifact = self.ingest(path, form)?;
                remove_tree(path)?;
                Ok(artifact)
            }
            result => result,
        }
    }

    fn adopt_dir(&self, path: &Path) -> Result<Artifact, StoreError> {
        let found = walk(path)?;
        require_depth(path, &found, self.root())?;
        let inner =
            found.iter().filter(|found| found.file_type == FileType::Directory).map(|found| path.join(found.path()));
        for directory in inner.chain([path.to_owned()]) {
            // A directory that a program made read-only could be neither moved nor removed.
            rustix::fs::chmod(&directory, Mode::from_raw_mode(0o755)).at(&directory)?;
        }
        let manifest = describe(path, &found, |file| self.seal(&path.join(file.path())))?;
        self.install_tree(path, &manifest)
    }

    /// Hashes and seals one file of a private directory.
    fn seal(&self, path: &Path) -> Result<Content, StoreError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).at(path)?);
        let before = Stamp::open(&file).at(path)?;
        let (size, executable) = (before.size, before.executable());
        let digest = hash::in_place(&file, size).at(path)?;
        let after = Stamp::open(&file).at(path)?;
        if !after.same_content(&before) {
            return Err(StoreError::new(path, StoreErrorKind::Changing));
        }
        let sealed = seal::holds(&after, &digest) && after.mode & 0o222 == 0;
        if after.shared && !sealed {
            // The program linked to a file of somebody else's, which must neither change mode nor be part of the store.
            return self.replace_by_copy(path, &after);
        }
        seal::apply(&file, &after, &digest, executable).at(path)?;
        self.note_seal(&file, &digest).at(path)?;
        Ok(Content { digest, size, executable })
    }

    fn replace_by_copy(&self, path: &Path, stamp: &Stamp) -> Result<Content, StoreError> {
        let copy = self.fresh()?;
        let content = self.copy_sealed(path, &File::open(path).at(path)?, stamp, &copy)?;
        fs::rename(&copy, path).at(path)?;
        Ok(content)
    }
}

/// Checks that the thing at `path` has the declared form.
pub(super) fn require_form(path: &Path, stamp: &Stamp, form: Form) -> Result<(), StoreError> {
    let found = in_words(stamp.file_type());
    let kind = match form {
        Form::File if stamp.is_file() => return Ok(()),
        Form::Dir if stamp.is_dir() => return Ok(()),
        Form::File => StoreErrorKind::NotFile { found },
        Form::Dir => StoreErrorKind::NotDirectory { found },
    };
    Err(StoreError::new(path, kind))
}
