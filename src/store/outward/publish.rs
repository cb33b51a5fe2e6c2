//! Puts artifacts into the workspace. Files there that we did not make are moved aside, never destroyed.
//!
//! Whether anything is to do is decided by `stat` and directory listings: a hard link to the object, or a copy whose seal or
//! memo row stands, is in place. A file that is not recognized that way is read once.

use std::fs::File;
use std::path::{Path, PathBuf};

use contract::Digest;
use rustix::fs::FileType;

use super::swap::set_aside;
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::hash;
use crate::store::files::stamp::Stamp;
use crate::store::files::walk::walk;
use crate::store::objects::manifest::Node;
use crate::store::objects::seal;
use crate::store::objects::tree::{Tree, links_to};
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Store, StoreError, Trust};

/// How often a place is looked at that others fill in the meantime.
const ATTEMPTS: u32 = 3;

/// The effect of publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was in place.
    Unchanged,
    /// Nothing was there.
    Placed,
    /// It took the place of something we had published.
    Replaced,
    /// Something that we had not published was there.
    Displaced {
        /// Where that is now.
        to: PathBuf,
    },
}

impl Store {
    /// Makes `destination` in the workspace hold `artifact`, which must be in the store. A file in the way that we did not make is
    /// moved into the directory `displaced` or, where that is on another filesystem, beside `destination`.
    pub fn publish(&self, artifact: &Artifact, destination: &Path, displaced: &Path) -> Result<Published, StoreError> {
        self.publish_if(artifact, destination, displaced, &|| Ok(()))
    }

    /// As [`Store::publish`]; `may` is asked before anything is changed there.
    pub fn publish_if(
        &self,
        artifact: &Artifact,
        destination: &Path,
        displaced: &Path,
        may: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<Published, StoreError> {
        for _ in 1..ATTEMPTS {
            match self.publish_once(artifact, destination, displaced, may) {
                // Somebody was there after the look: look at the place again.
                Err(error) if matches!(error.kind, StoreErrorKind::Occupied | StoreErrorKind::NotFound) => {}
                result => return result,
            }
        }
        self.publish_once(artifact, destination, displaced, may)
    }

    /// Whether `destination` holds `artifact`, which must be in the store. Nothing is changed.
    pub fn is_in_place(&self, artifact: &Artifact, destination: &Path) -> Result<bool, StoreError> {
        let looked = match Stamp::of(destination).at(destination)? {
            Some(there) => self.standing(artifact, destination, &there),
            None => return Ok(false),
        };
        match looked {
            Ok(standing) => Ok(matches!(standing, Standing::Same)),
            // Somebody takes it away just now.
            Err(error) if matches!(error.kind, StoreErrorKind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn standing(&self, artifact: &Artifact, destination: &Path, there: &Stamp) -> Result<Standing, StoreError> {
        match artifact.shape {
            Shape::File { executable } => self.standing_file(artifact, executable, destination, there),
            Shape::Dir { .. } => self.standing_dir(artifact, destination, there),
        }
    }

    fn publish_once(
        &self,
        artifact: &Artifact,
        destination: &Path,
        displaced: &Path,
        may: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<Published, StoreError> {
        let Some(there) = Stamp::of(destination).at(destination)? else {
            may()?;
            self.place_new(artifact, destination)?;
            return Ok(Published::Placed);
        };
        let standing = self.standing(artifact, destination, &there)?;
        if !matches!(standing, Standing::Same) {
            may()?;
        }
        match standing {
            Standing::Same => Ok(Published::Unchanged),
            Standing::Ours => self.exchange(artifact, destination, &there, displaced),
            Standing::Theirs => {
                self.clear_way(displaced);
                let to = set_aside(destination, &displaced.join(destination.file_name().unwrap_or_default()))?;
                self.place_new(artifact, destination)?;
                Ok(Published::Displaced { to })
            }
        }
    }

    fn standing_file(
        &self,
        artifact: &Artifact,
        executable: bool,
        destination: &Path,
        there: &Stamp,
    ) -> Result<Standing, StoreError> {
        // The memo knows the inode that was published here: itself, when nobody wrote to it since. One `stat` less a hit.
        let may_be_same = there.is_file() && there.size == artifact.size && there.executable() == executable;
        let trusted = self.trust == Trust::Seal;
        if may_be_same && trusted && self.memo().ours(there) == Some(artifact.digest) {
            return Ok(Standing::Same);
        }
        let object = self.object(artifact);
        let blob = Stamp::of(&object).at(&object)?.ok_or_else(|| StoreError::new(&object, StoreErrorKind::Missing))?;
        if there.same_file(&blob) {
            return Ok(Standing::Same);
        }
        if !there.is_file() {
            return Ok(Standing::Theirs);
        }
        // A link to an object that a stage damaged. The bytes are in quarantine, under another name.
        if self.touches.is_spoiled(there) {
            return Ok(Standing::Ours);
        }
        let (known, ours) = {
            let mut memo = self.memo();
            (memo.file(there), memo.ours(there))
        };
        let may_be_ours = there.mode & 0o222 == 0;
        let digest = match known {
            Some(digest) if trusted => digest,
            // Read also where the memo knows it: a bit may have flipped behind size and time.
            Some(_) => self.read_digest(destination)?,
            None if may_be_same || may_be_ours => self.read_digest(destination)?,
            None => return Ok(Standing::Theirs),
        };
        Ok(match () {
            () if may_be_same && digest == artifact.digest => {
                if known.is_none() && seal::holds(there, &digest) {
                    self.memo().learn_ours(there, digest);
                }
                Standing::Same
            }
            // A seal over its own content: we made it, even if the memo forgot.
            () if ours == Some(digest) || (may_be_ours && seal::holds(there, &digest)) => Standing::Ours,
            () => Standing::Theirs,
        })
    }

    fn read_digest(&self, path: &Path) -> Result<Digest, StoreError> {
        let file = File::open(path).at(path)?;
        hash::by_reading(&file).at(path)
    }

    fn standing_dir(&self, artifact: &Artifact, destination: &Path, there: &Stamp) -> Result<Standing, StoreError> {
        if !there.is_dir() {
            return Ok(Standing::Theirs);
        }
        let tree = self.required_tree(artifact)?;
        let known = self.memo().tree(there);
        let belief = if known == Some(artifact.digest) { Belief::Copies } else { Belief::Content };
        if self.holds_tree(destination, there, &tree, belief)? {
            if known != Some(artifact.digest) {
                self.memo().learn_tree(there, artifact.digest);
            }
            return Ok(Standing::Same);
        }
        if let Some(known) = known
            && let Some(tree) = self.tree(&known)?
            && self.holds_tree(destination, there, &tree, Belief::Spoiled)?
        {
            return Ok(Standing::Ours);
        }
        Ok(match self.ours_at(destination, there)? {
            // The memo had forgotten it.
            Some(old) if old == artifact.digest => {
                self.memo().learn_tree(there, artifact.digest);
                Standing::Same
            }
            Some(_) => Standing::Ours,
            None => Standing::Theirs,
        })
    }

    /// Whether `directory` still is as it was published there, the tree `digest`.
    pub(super) fn is_published_tree(
        &self,
        directory: &Path,
        stamp: &Stamp,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        match self.tree(digest)? {
            Some(tree) => self.holds_tree(directory, stamp, &tree, Belief::Copies),
            None => Ok(false),
        }
    }

    /// Whether `directory` holds exactly `tree`: the same names, and the very files or others that are believed.
    fn holds_tree(&self, directory: &Path, stamp: &Stamp, tree: &Tree, belief: Belief) -> Result<bool, StoreError> {
        let found = walk(directory)?;
        let entries = &tree.manifest.entries;
        if found.len() != entries.len() {
            return Ok(false);
        }
        for ((found, entry), inode) in found.iter().zip(entries).zip(&tree.inodes) {
            if found.path != entry.path {
                return Ok(false);
            }
            let path = || directory.join(entry.path());
            let same = match (&entry.node, found.file_type) {
                (Node::File { .. }, FileType::RegularFile) if stamp.dev == tree.dev && found.ino == *inode => true,
                (Node::File { digest, size, executable }, FileType::RegularFile) => {
                    // One that cannot be read is not recognized.
                    let read = || self.read_digest(&path()).is_ok_and(|read| read == *digest);
                    match Stamp::of(&path()).at(&path())? {
                        Some(file) if belief == Belief::Spoiled && self.touches.is_spoiled(&file) => true,
                        Some(file) if (file.size, file.executable()) != (*size, *executable) => false,
                        Some(file) if seal::holds(&file, digest) => self.trust == Trust::Seal || read(),
                        Some(_) if belief == Belief::Content => read(),
                        _ => false,
                    }
                }
                (Node::Dir, FileType::Directory) => true,
                (Node::Link { target }, FileType::Symlink) => links_to(&path(), target)?,
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The files that count as a file of a tree, besides the very file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    /// A sealed copy, and a file that reads the same.
    Content,
    /// A sealed copy.
    Copies,
    /// A sealed copy, and an object that a stage damaged: the whole of that lies in quarantine.
    Spoiled,
}

/// The thing in the place of an artifact.
enum Standing {
    /// The artifact.
    Same,
    /// Something else that we published and nobody touched.
    Ours,
    /// Something of the user's.
    Theirs,
}
