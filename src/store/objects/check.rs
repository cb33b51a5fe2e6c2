//! Whether an artifact is in the store and sound: one `stat` a file while nobody touched it, a reading when somebody did.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use contract::Digest;
use rustix::fs::FileType;
use rustix::io::Errno;

use super::seal;
use crate::store::directory::mend;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::Stamp;
use crate::store::files::{hash, walk};
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Store, StoreError, Trust};

/// The parts of an artifact that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// All of it.
    Present,
    /// Nothing.
    Missing,
    /// Something else under its name. It is no longer under that name.
    Damaged {
        /// Where in the store the wrong content was found; for a directory, the file in it.
        path: PathBuf,
        /// Where it was moved; `None` when it could not be moved.
        quarantined: Option<PathBuf>,
    },
}

/// The required content of a file in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Content {
    pub digest: Digest,
    pub size: u64,
    pub executable: bool,
}

impl From<Content> for Artifact {
    fn from(content: Content) -> Artifact {
        let Content { digest, size, executable } = content;
        Artifact { digest, size, shape: Shape::File { executable } }
    }
}

impl Store {
    /// Whether `artifact` is there. A damaged artifact is put into quarantine, so that it can be made anew.
    pub fn check(&self, artifact: &Artifact) -> Result<Presence, StoreError> {
        let Artifact { digest, size, shape } = *artifact;
        match shape {
            Shape::File { executable } => self.check_blob(&Content { digest, size, executable }),
            Shape::Dir { .. } => self.check_tree(&digest),
        }
    }

    /// [`Store::check`] for several, in their order: a store far away must be asked in one question.
    pub fn check_all<'a>(
        &self,
        artifacts: impl IntoIterator<Item = &'a Artifact>,
    ) -> Result<Vec<Presence>, StoreError> {
        artifacts.into_iter().map(|artifact| self.check(artifact)).collect()
    }

    pub(in crate::store) fn check_blob(&self, content: &Content) -> Result<Presence, StoreError> {
        let path = self.layout.blob(&content.digest, content.executable);
        match Stamp::stored(&path).at(&path)? {
            None => Ok(Presence::Missing),
            Some(stamp) if self.is_intact(&stamp, || path.clone(), content)? => Ok(Presence::Present),
            Some(_) => Ok(self.quarantine(&path, path.clone())),
        }
    }

    /// Whether the file at `path` still has this content. Its seal says so, or the memo where the filesystem keeps no seals,
    /// or its bytes.
    pub(super) fn is_intact(
        &self,
        stamp: &Stamp,
        path: impl Fn() -> PathBuf,
        content: &Content,
    ) -> Result<bool, StoreError> {
        let Content { digest, size, executable } = content;
        if !stamp.is_file() || stamp.size != *size {
            return Ok(false);
        }
        let sealed =
            !self.touches.moved(stamp) && (seal::holds(stamp, digest) || self.memo().ours(stamp) == Some(*digest));
        let untouched = sealed && self.trust == Trust::Seal;
        if untouched && stamp.mode & 0o7777 == seal::mode(*executable) {
            return Ok(true);
        }
        let path = path();
        let Opened::File((file, _)) = open::file(&path).at(&path)? else { return Ok(false) };
        if !untouched {
            let found = if sealed { Some(hash::in_place(&file, *size).at(&path)?) } else { stable_digest(&path)? };
            if found != Some(*digest) {
                return Ok(false);
            }
        }
        // In a store of another owner, or a read-only one, the seal cannot be renewed: then the file is read each time.
        if seal::apply(&file, stamp, digest, *executable).is_ok() {
            self.note_seal(&file, digest).at(&path)?;
        }
        Ok(true)
    }

    /// Remembers a sealed file: how this process left it, and its digest where the filesystem did not keep the seal.
    pub(in crate::store) fn note_seal(&self, file: &File, digest: &Digest) -> rustix::io::Result<()> {
        let sealed = Stamp::open(file)?;
        self.touches.note(&sealed);
        if !seal::holds(&sealed, digest) {
            self.memo().learn_ours(&sealed, *digest);
        }
        Ok(())
    }

    /// Moves `object` into quarantine because of the damage at `path`.
    pub(in crate::store) fn quarantine(&self, object: &Path, path: PathBuf) -> Presence {
        let quarantined =
            match self.claim().map_err(|_| Errno::ROFS).and_then(|()| mend::into_quarantine(self.root(), object)) {
                // Collected or put aside by somebody else meanwhile.
                Err(Errno::NOENT) => return Presence::Missing,
                // On a read-only store it stays where it is, and the next look finds it again.
                quarantined => quarantined.ok(),
            };
        if let Some(quarantined) = &quarantined {
            break_seals(quarantined);
        }
        Presence::Damaged { path, quarantined }
    }

    /// Why an artifact that is not [`Presence::Present`] cannot be used.
    pub(in crate::store) fn require(&self, artifact: &Artifact) -> Result<(), StoreError> {
        use crate::store::StoreErrorKind::{Damaged, Missing};
        match self.check(artifact)? {
            Presence::Present => Ok(()),
            Presence::Missing => Err(StoreError::new(&self.object(artifact), Missing)),
            Presence::Damaged { path, .. } => Err(StoreError::new(&path, Damaged)),
        }
    }

    /// Where an artifact lies, when it is there.
    pub fn object(&self, artifact: &Artifact) -> PathBuf {
        match artifact.shape {
            Shape::File { executable } => self.layout.blob(&artifact.digest, executable),
            Shape::Dir { .. } => self.layout.tree(&artifact.digest),
        }
    }
}

/// How often an object that moves while it is read is read again: our own links move it too.
const ATTEMPTS: u32 = 5;

/// The digest of an object that somebody may be writing to; `None` while it does not hold still.
fn stable_digest(path: &Path) -> Result<Option<Digest>, StoreError> {
    for attempt in 1..=ATTEMPTS {
        let Opened::File((file, before)) = open::file(path).at(path)? else { return Ok(None) };
        let digest = hash::in_place(&file, before.size).at(path)?;
        let after = Stamp::open(&file).at(path)?;
        // Where others make and remove links without a pause, only changes by a write count in the end.
        if after == before || (attempt == ATTEMPTS && before.same_content(&after)) {
            return Ok(Some(digest));
        }
    }
    Ok(None)
}

/// Moves the mtime of a damaged file to the present, and of a directory that of every file in it, since damage to one says nothing
/// about the others. The workspace may have a link to the file that looks as it was published: where the damage left the seal whole,
/// that link would stay for ever.
fn break_seals(path: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as i64);
    // Only files have seals, and a file of somebody else's stays as it is.
    let break_seal = |path: &Path| {
        if let Ok(Opened::File((file, _))) = open::file(path) {
            let _ = seal::set_mtime(&file, now);
        }
    };
    if Stamp::stored(path).is_ok_and(|stamp| stamp.is_some_and(|stamp| stamp.is_dir())) {
        // A directory that cannot be listed was no use to anybody either.
        let found = walk::present(path).unwrap_or_default();
        found
            .iter()
            .filter(|found| found.file_type == FileType::RegularFile)
            .for_each(|found| break_seal(&path.join(found.path())));
    } else {
        break_seal(path);
    }
}
