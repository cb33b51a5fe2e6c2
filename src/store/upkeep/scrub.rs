//! Reads the objects of the store and compares them with their names: the only way to find a bit that flipped behind size and mtime.
//!
//! Damaged objects go into quarantine, so that the next run makes them anew.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use contract::Digest;
use rayon::prelude::*;

use super::inventory::{Object, ObjectName, parse};
use crate::action::ActionKey;
use crate::store::error::At;
use crate::store::files::hash;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::{Stamp, in_words};
use crate::store::files::walk::walk;
use crate::store::objects::manifest::{Manifest, Node};
use crate::store::objects::tree::links_to;
use crate::store::records::record::{self, Unusable};
use crate::store::{Presence, Store, StoreError};

/// The rooms from which the roots of garbage collection are read.
pub const ROOTS: [&str; 3] = ["pins", "last", "runs"];

/// The other rooms: their content is made anew.
const DERIVED: [&str; 12] = [
    "quarantine",
    "blobs",
    "trees",
    "records",
    "elsewhere",
    "plans",
    "locks",
    "checkpoints",
    "sent",
    "displaced",
    "work",
    "tmp",
];

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// Everything.
    All,
    /// A number of objects, others each time.
    Count(usize),
    /// This share of the objects, from 0 to 1, others each time.
    Share(f64),
}

/// The counts and the damage of a scrub.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// Blobs and trees read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// The damage.
    pub damage: Vec<Damage>,
}

/// Something that does not match its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The thing that it should have been.
    pub what: DamagedThing,
    /// Where the wrong content was found; for a directory, the file in it.
    pub path: PathBuf,
    /// The reason.
    pub why: String,
    /// Where it was moved; `None` when it could not be moved, or stays because its place says that something was there.
    pub quarantined: Option<PathBuf>,
}

/// The thing that was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedThing {
    /// The artifact of this digest.
    Artifact(Digest),
    /// The record of this key.
    Record(ActionKey),
    /// A resolved plan.
    Plan,
    /// The memo.
    Memo,
    /// The list of a pipeline's last actions. It stays where it is.
    Last,
    /// A pin. It stays where it is, as nothing else tells the objects that it protects.
    Pin,
    /// A file of a run. It stays where it is, as the run's outcome is needed.
    Run,
    /// A directory of the store.
    Room,
}

const DIFFERS: &str = "it is not what its name says";

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
            let key = ActionKey::new(key);
            records += 1;
            let why = match open::read(&path).at(&path)? {
                Opened::Nothing => continue,
                Opened::Other(kind) => format!("{} lies there", in_words(kind)),
                Opened::File(bytes) => match record::parse(&bytes, &key) {
                    Err(Unusable::Damaged) => DIFFERS.to_owned(),
                    Ok(_) | Err(Unusable::OtherFormat) => continue,
                },
            };
            damage.extend(self.damaged(DamagedThing::Record(key), &path, path.clone(), why));
        }
        damage.extend(self.scrub_notes()?);
        damage.extend(self.scrub_rooms()?);
        damage.extend(self.scrub_memo()?);
        damage.extend(self.scrub_plans()?);
        damage.extend(self.last_keys()?.1);
        damage.extend(self.pins()?.1);
        Ok(Scrubbed { objects: objects.len() as u64, bytes: total, records, damage })
    }

    /// Finds damaged notes about remotes. Without one the remote is asked again.
    fn scrub_notes(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        for path in self.family("elsewhere")? {
            let Some((key, ".json")) = parse(&path) else { continue };
            let key = ActionKey::new(key);
            if self.elsewhere(&key).is_none() {
                damage.extend(self.damaged(DamagedThing::Record(key), &path, path.clone(), DIFFERS.to_owned()));
            }
        }
        Ok(damage)
    }

    /// Finds misplaced things where the store's own directories belong. Those in the place of a directory of roots stay: an empty
    /// directory in their place would say that nothing is needed.
    fn scrub_rooms(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damage = self.no_rooms(&ROOTS)?;
        for room in DERIVED {
            for Damage { path, why, .. } in self.no_rooms(&[room])? {
                damage.extend(self.damaged(DamagedThing::Room, &path, path.clone(), why));
            }
        }
        for family in ["blobs", "trees", "records", "elsewhere"] {
            for path in self.shards(family)? {
                if let Some(stamp) = Stamp::stored(&path).at(&path)?
                    && !stamp.is_dir()
                {
                    let why = format!("{} lies there", in_words(stamp.file_type()));
                    damage.extend(self.damaged(DamagedThing::Room, &path, path.clone(), why));
                }
            }
        }
        Ok(damage)
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
        // A damaged manifest is moved alone; the directory then has none, and is made anew.
        let manifest = self.layout.manifest(&digest);
        let moved = if wrong.as_ref() == Some(&manifest) { &manifest } else { &path };
        let damaged = |wrong| self.damaged(DamagedThing::Artifact(digest), moved, wrong, DIFFERS.to_owned());
        Ok(wrong.and_then(damaged))
    }

    /// The first path in a tree that is not as its manifest says.
    fn wrong_in_tree(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let (root, manifest_path) = (self.layout.tree(digest), self.layout.manifest(digest));
        let is_dir = match Stamp::stored(&root).at(&root)? {
            None => return Ok(None),
            Some(stamp) => stamp.is_dir(),
        };
        let bytes = match open::read(&manifest_path).at(&manifest_path)? {
            // Half of a tree, which a kill may leave: nobody finds it.
            Opened::Nothing if is_dir => return Ok(None),
            Opened::File(bytes) if is_dir => bytes,
            Opened::Other(_) if is_dir => return Ok(Some(manifest_path)),
            _ => return Ok(Some(root)),
        };
        let Some(manifest) = Manifest::decode(&bytes).filter(|_| Manifest::digest(&bytes) == *digest) else {
            return Ok(Some(manifest_path));
        };
        for entry in &manifest.entries {
            let path = root.join(entry.path());
            let stamp = Stamp::stored(&path).at(&path)?;
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

    /// Puts `object` aside because of the damage at `path`, unless it is gone by now.
    pub(in crate::store) fn damaged(
        &self,
        what: DamagedThing,
        object: &Path,
        path: PathBuf,
        why: String,
    ) -> Option<Damage> {
        match self.quarantine(object, path) {
            Presence::Damaged { path, quarantined } => Some(Damage { what, path, why, quarantined }),
            Presence::Present | Presence::Missing => None,
        }
    }
}

/// Whether the file at `path` has this content. One that is gone by now was collected or put aside by somebody else.
fn holds(path: &Path, digest: &Digest) -> Result<bool, StoreError> {
    match open::file(path).at(path)? {
        Opened::Nothing => Ok(true),
        Opened::Other(_) => Ok(false),
        Opened::File((file, _)) => Ok(hash::by_reading(&file).at(path)? == *digest),
    }
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
