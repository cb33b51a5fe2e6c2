//! Copies files of the workspace into the store, hashing the copies. The user's files are read and nothing else; those
//! that the memo knows are not even read.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::types::Form;
use rustix::fs::FileType;

use super::adopt::require_form;
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::follow::{LinksIn, walk_with};
use crate::store::files::hash;
use crate::store::files::removal::remove_tree;
use crate::store::files::stamp::Stamp;
use crate::store::files::walk::Found;
use crate::store::objects::check::Content;
use crate::store::objects::seal;
use crate::store::objects::tree::{describe, require_depth};
use crate::store::records::model::Artifact;
use crate::store::{Presence, Store, StoreError};

/// How often a file that changes under the reader is read again.
const ATTEMPTS: u32 = 3;

impl Store {
    /// The artifact at `path`, without asking whether the store still has it: where the memo knows, one `stat` a file and no
    /// more. A file that the memo does not know is ingested. Enough for a key; before a program reads it, ingest it.
    pub fn identify(&self, path: &Path, form: Form, links: LinksIn<'_>) -> Result<Artifact, StoreError> {
        let stamp = Stamp::following(path).at(path)?;
        require_form(path, &stamp, form)?;
        let known = match form {
            Form::File => self.known(&stamp).map(Artifact::from),
            Form::Dir => {
                let found = walk_with(path, links)?;
                require_depth(path, &found, self.root())?;
                self.known_dir(path, &found, links)?
            }
        };
        match known.map_or_else(|| self.ingest_with(path, form, links), Ok) {
            // The artifact can be described all the same; a later step that needs it in the store meets the error.
            Err(StoreError { kind: StoreErrorKind::Unwritable { .. }, .. }) => self.described(path, form, links),
            result => result,
        }
    }

    /// Copies the file or directory at `path` into the store. A symbolic link at `path` itself is followed.
    pub fn ingest(&self, path: &Path, form: Form) -> Result<Artifact, StoreError> {
        self.ingest_with(path, form, LinksIn::Kept)
    }

    /// As [`Store::ingest`]; `links` says whether symbolic links in a directory are followed.
    pub fn ingest_with(&self, path: &Path, form: Form, links: LinksIn<'_>) -> Result<Artifact, StoreError> {
        let stamp = Stamp::following(path).at(path)?;
        require_form(path, &stamp, form)?;
        match form {
            Form::File => self.ingest_file(path, &stamp),
            Form::Dir => {
                for _ in 1..ATTEMPTS {
                    match self.ingest_dir(path, links) {
                        // Something in it vanished since it was listed.
                        Err(error) if matches!(error.kind, StoreErrorKind::NotFound) && error.path != path => {}
                        result => return result,
                    }
                }
                self.ingest_dir(path, links)
            }
        }
    }

    fn ingest_file(&self, path: &Path, stamp: &Stamp) -> Result<Artifact, StoreError> {
        if let Some(content) = self.known(stamp)
            && self.check_blob(&content)? == Presence::Present
        {
            return Ok(content.into());
        }
        let copy = match self.fresh() {
            Err(error) if error.is_read_only() => return self.find_file(path, error),
            fresh => fresh?,
        };
        let content = self.copy_stable(path, &copy)?;
        self.install_blob(&copy, content)
    }

    fn ingest_dir(&self, path: &Path, links: LinksIn<'_>) -> Result<Artifact, StoreError> {
        let real = fs::canonicalize(path).at(path)?;
        // A store that was never written to has no directory yet.
        let store = fs::canonicalize(self.root()).unwrap_or_else(|_| self.root().to_owned());
        if store.starts_with(&real) {
            return Err(StoreError::new(path, StoreErrorKind::ContainsStore { store }));
        }
        let found = walk_with(path, links)?;
        require_depth(path, &found, self.root())?;
        if let Some(artifact) = self.known_dir(path, &found, links)?
            && self.check(&artifact)? == Presence::Present
        {
            return Ok(artifact);
        }
        let copy = match self.fresh() {
            Err(error) if error.is_read_only() => return self.find_dir(path, &found, error),
            fresh => fresh?,
        };
        let result = self.copy_dir(path, &found, &copy);
        if result.is_err() {
            // A full disk is the likely reason, so the space is given back at once; the first error is returned.
            let _ = remove_tree(&copy);
        }
        result
    }

    fn copy_dir(&self, path: &Path, found: &[Found], copy: &Path) -> Result<Artifact, StoreError> {
        fs::create_dir(copy).at(copy)?;
        for directory in found.iter().filter(|found| found.file_type == FileType::Directory) {
            let directory = copy.join(directory.path());
            fs::create_dir(&directory).at(&directory)?;
        }
        let manifest =
            describe(path, found, |file| self.copy_stable(&path.join(file.path()), &copy.join(file.path())))?;
        for (link, target) in manifest.links() {
            let link = copy.join(link);
            std::os::unix::fs::symlink(target, &link).at(&link)?;
        }
        self.install_tree(copy, &manifest)
    }

    /// The artifact of a directory of which the memo knows every file.
    fn known_dir(&self, path: &Path, found: &[Found], links: LinksIn<'_>) -> Result<Option<Artifact>, StoreError> {
        let root = File::open(path).at(path)?;
        let mut contents = Vec::new();
        for file in found.iter().filter(|found| found.file_type == FileType::RegularFile) {
            let stamp = match links {
                LinksIn::Kept => Stamp::below(&root, file.path()).at(path)?,
                LinksIn::Followed(_) => Some(Stamp::following(&path.join(file.path())).at(path)?),
            };
            let Some(content) = stamp.and_then(|stamp| self.known(&stamp)) else { return Ok(None) };
            contents.push((&file.path, content));
        }
        let manifest = describe(path, found, |file| {
            let at = contents.binary_search_by(|(known, _)| (*known).cmp(&file.path));
            Ok(contents[at.expect("every file was looked up above")].1)
        })?;
        Ok(Some(manifest.artifact().0))
    }

    fn known(&self, stamp: &Stamp) -> Option<Content> {
        let digest = self.memo().file(stamp)?;
        Some(Content { digest, size: stamp.size, executable: stamp.executable() })
    }

    /// Copies one file that others may be writing to, until a copy was made while nothing changed.
    fn copy_stable(&self, path: &Path, copy: &Path) -> Result<Content, StoreError> {
        for _ in 0..ATTEMPTS {
            let begun = now();
            let file = File::open(path).at(path)?;
            let before = Stamp::open(&file).at(path)?;
            let content = self.copy_sealed(path, &file, &before, copy)?;
            let after = Stamp::open(&file).at(path)?;
            if after.same_content(&before) && content.size == before.size {
                self.memo().learn_source(&after, content.digest, begun);
                return Ok(content);
            }
            fs::remove_file(copy).at(copy)?;
        }
        Err(StoreError::new(path, StoreErrorKind::Changing))
    }

    /// Copies the open file at `path` to `copy`, where nothing may be, and seals the copy.
    pub(super) fn copy_sealed(
        &self,
        path: &Path,
        file: &File,
        stamp: &Stamp,
        copy: &Path,
    ) -> Result<Content, StoreError> {
        let executable = stamp.executable();
        let target = File::create_new(copy).at(copy)?;
        let made = self.placer.copy_in(file, &target, copy, stamp.size).and_then(|digest| {
            let written = Stamp::open(&target)?;
            seal::apply(&target, &written, &digest, executable)?;
            self.note_seal(&target, &digest)?;
            Ok(Content { digest, size: written.size, executable })
        });
        made.map_err(|error| {
            let _ = fs::remove_file(copy);
            let full =
                matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
            StoreError::io(if full { self.root() } else { path }, error)
        })
    }

    /// On a store that cannot be written: the artifact, if it is there already.
    fn find_file(&self, path: &Path, read_only: StoreError) -> Result<Artifact, StoreError> {
        let content = self.hash_stable(path)?;
        match self.check_blob(&content)? {
            Presence::Present => Ok(content.into()),
            Presence::Missing | Presence::Damaged { .. } => Err(read_only),
        }
    }

    fn find_dir(&self, path: &Path, found: &[Found], read_only: StoreError) -> Result<Artifact, StoreError> {
        let (artifact, _) = describe(path, found, |file| self.hash_stable(&path.join(file.path())))?.artifact();
        match self.check(&artifact)? {
            Presence::Present => Ok(artifact),
            Presence::Missing | Presence::Damaged { .. } => Err(read_only),
        }
    }

    /// The artifact at `path`, read but not copied.
    pub(super) fn described(&self, path: &Path, form: Form, links: LinksIn<'_>) -> Result<Artifact, StoreError> {
        match form {
            Form::File => Ok(self.hash_stable(path)?.into()),
            Form::Dir => {
                let found = walk_with(path, links)?;
                Ok(describe(path, &found, |file| self.hash_stable(&path.join(file.path())))?.artifact().0)
            }
        }
    }

    fn hash_stable(&self, path: &Path) -> Result<Content, StoreError> {
        let begun = now();
        let file = File::open(path).at(path)?;
        let before = Stamp::open(&file).at(path)?;
        let digest = hash::by_reading(&file).at(path)?;
        let after = Stamp::open(&file).at(path)?;
        if !after.same_content(&before) {
            return Err(StoreError::new(path, StoreErrorKind::Changing));
        }
        self.memo().learn_source(&after, digest, begun);
        Ok(Content { digest, size: after.size, executable: after.executable() })
    }
}

/// Nanoseconds since the epoch, as file times are.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as i64)
}
