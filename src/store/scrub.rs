//! Reads what the store has and compares it with its names: the only way to find a bit that flipped behind size and mtime.
//!
//! What is wrong goes into quarantine, so that the next run makes it anew.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use contract::Digest;
use rayon::prelude::*;

use super::error::At;
use super::inventory::{Object, ObjectName, parse};
use super::manifest::{Manifest, Node};
use super::record::{self, Unusable};
use super::stamp::Stamp;
use super::tree::links_to;
use super::walk::walk;
use super::{Presence, Store, StoreError, hash};

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// Everything.
    All,
    /// So many objects, others each time.
    Count(usize),
    /// This share of the objects, from 0 to 1, others each time.
    Share(f64),
}

/// What was read and what was wrong.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// Blobs and trees read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// What was wrong.
    pub damage: Vec<Damage>,
}

/// Something that is not what its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it should have been.
    pub what: DamagedThing,
    /// Where the wrong content was found; for a directory, the file in it.
    pub path: PathBuf,
    /// Where it was moved; `None` when it could not be moved.
    pub quarantined: Option<PathBuf>,
}

/// What was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedThing {
    /// The artifact of this digest.
    Artifact(Digest),
    /// The record of this key.
    Record(Digest),
}

impl Store {
    /// Hashes objects anew and reads the records. `progress` hears how many bytes of how many were read, from any thread.
    pub fn scrub(
        &self,
        sample: Sample,
        seed: u64,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Scrubbed, StoreError> {
        let objects = choose(self.objects()?, sample, seed);
        let total = objects.iter().map(|object| object.size).sum();
        let done = AtomicU64::new(0);
        let found: Result<Vec<Option<Damage>>, StoreError> = objects
            .par_iter()
            .map(|object| {
                let found = self.scrub_object(object)?;
                progress(done.fetch_add(object.size, Ordering::Relaxed) + object.size, total);
                Ok(found)
            })
            .collect();
        let mut damage: Vec<Damage> = found?.into_iter().flatten().collect();
        let mut records = 0;
        for path in self.family("records")? {
            let Some((key, ".json")) = parse(&path) else { continue };
            records += 1;
            let bytes = match fs::read(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                bytes => bytes.at(&path)?,
            };
            if let Err(Unusable::Damaged) = record::parse(&bytes, &key) {
                damage.extend(self.damaged(DamagedThing::Record(key), &path, path.clone()));
            }
        }
        Ok(Scrubbed { objects: objects.len() as u64, bytes: total, records, damage })
    }

    fn scrub_object(&self, object: &Object) -> Result<Option<Damage>, StoreError> {
        let digest = object.name.digest();
        let (path, wrong) = match object.name {
            ObjectName::Blob { executable, .. } => {
                let path = self.layout.blob(&digest, executable);
                let wrong = if holds(&path, &digest)? { None } else { Some(path.clone()) };
                (path, wrong)
            }
            ObjectName::Tree { .. } => (self.layout.tree(&digest), self.wrong_in_tree(&digest)?),
        };
        // A damaged manifest is moved by itself; the directory is then found to have none, and is made anew.
        let manifest = self.layout.manifest(&digest);
        let moved = if wrong.as_ref() == Some(&manifest) { &manifest } else { &path };
        Ok(wrong.and_then(|wrong| self.damaged(DamagedThing::Artifact(digest), moved, wrong)))
    }

    /// The first path in a tree that is not as its manifest says.
    fn wrong_in_tree(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let (root, manifest_path) = (self.layout.tree(digest), self.layout.manifest(digest));
        let bytes = match fs::read(&manifest_path) {
            // Half of a tree, which a kill may leave: nobody finds it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.at(&manifest_path)?,
        };
        let Some(manifest) = Manifest::decode(&bytes).filter(|_| Manifest::digest(&bytes) == *digest) else {
            return Ok(Some(manifest_path));
        };
        for entry in &manifest.entries {
            let path = root.join(entry.path());
            let stamp = Stamp::of(&path).at(&path)?;
            let sound = match (&entry.node, &stamp) {
                (Node::File { digest, size, .. }, Some(stamp)) => {
                    stamp.is_file() && stamp.size == *size && holds(&path, digest)?
                }
                (Node::Dir, Some(stamp)) => stamp.is_dir(),
                (Node::Link { target }, Some(stamp)) => {
                    stamp.file_type() == rustix::fs::FileType::Symlink && links_to(&path, target)?
                }
                (_, None) => false,
            };
            if !sound {
                return Ok(Some(path));
            }
        }
        let extra = walk(&root)?
            .into_iter()
            .find(|found| manifest.entries.binary_search_by(|entry| entry.path.cmp(&found.path)).is_err());
        Ok(extra.map(|found| root.join(found.path())))
    }

    fn damaged(&self, what: DamagedThing, object: &Path, path: PathBuf) -> Option<Damage> {
        match self.quarantine(object, path) {
            Presence::Damaged { path, quarantined } => Some(Damage { what, path, quarantined }),
            Presence::Present | Presence::Missing => None,
        }
    }
}

/// Whether the file at `path` has this content. One that is gone by now was collected or put aside by somebody else.
fn holds(path: &Path, digest: &Digest) -> Result<bool, StoreError> {
    let Some(stamp) = Stamp::of(path).at(path)? else { return Ok(true) };
    if !stamp.is_file() {
        return Ok(false);
    }
    let file = File::open(path).at(path)?;
    Ok(hash::by_reading(&file).at(path)? == *digest)
}

/// Objects drawn by `seed`: those whose digests, mixed with it, come first.
fn choose(mut objects: Vec<Object>, sample: Sample, seed: u64) -> Vec<Object> {
    let count = match sample {
        Sample::All => return objects,
        Sample::Count(count) => count,
        // Rounded up: one percent of ten objects is one, not none.
        Sample::Share(share) => (objects.len() as f64 * share).ceil() as usize,
    };
    objects.sort_by_cached_key(|object| {
        let mut bytes = seed.to_le_bytes().to_vec();
        bytes.extend_from_slice(object.name.digest().as_bytes());
        *Digest::of(&bytes).as_bytes()
    });
    objects.truncate(count);
    objects
}
