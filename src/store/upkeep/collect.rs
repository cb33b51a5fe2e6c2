//! Removes objects and records that nobody needs. The caller, who knows the runs, says which actions are needed; the rest follows here.
//!
//! Two rounds decide: first a record goes that is no root and was not used within the grace, then, until the rest fits the size
//! asked for, those used longest ago. An object goes when no record that stays names it. Records go before objects, so that a kill
//! in the middle leaves garbage for the next time and never a record without its outputs.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::Digest;
use rustix::io::Errno;

use super::inventory::{Object, ObjectName, StoredRecord, entries};
use crate::action::ActionKey;
use crate::store::directory::layout::is_run;
use crate::store::directory::marker;
use crate::store::directory::scratch;
use crate::store::error::At;
use crate::store::files::measure::{RoomSize, measure};
use crate::store::files::removal::{move_away, remove_tree};
use crate::store::files::stamp::Stamp;
use crate::store::{Hold, Store, StoreError};

/// The roots that garbage collection keeps.
#[derive(Debug, Default)]
pub struct Keep {
    /// Actions that stay, unless the size leaves no room: the last ones of pipelines.
    pub roots: HashSet<ActionKey>,
    /// Actions that stay in any case.
    pub pinned: HashSet<ActionKey>,
    /// Artifacts that stay in any case.
    pub artifacts: HashSet<Digest>,
    /// When an action was last used, in Unix seconds, where that is known.
    pub used_at: HashMap<ActionKey, u64>,
}

/// How much may stay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records and objects used within this time stay, needed or not.
    pub grace: Duration,
    /// Bytes of objects that may stay.
    pub max_size: Option<u64>,
    /// The present, in Unix seconds.
    pub now: u64,
}

/// Whether anything is done.
#[derive(Debug)]
pub enum Mode {
    /// It only counts the things that would go.
    Look,
    /// It goes. Nobody uses the store meanwhile.
    Remove(Hold),
}

/// A room whose content is the user's, and goes only when that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRoom {
    /// Files that stood where outputs go.
    Displaced,
    /// Objects that were found damaged.
    Quarantine,
    /// Private directories that were to be kept.
    KeptWork,
}

/// Things that go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The result of a collection.
#[derive(Debug, Default)]
pub struct Collected {
    /// Records that go.
    pub records: Doomed,
    /// Blobs and trees that go.
    pub objects: Doomed,
    /// Checkpoints and resolved plans that go.
    pub leftovers: Doomed,
    /// Objects that stay.
    pub kept: Doomed,
    /// Reasons for objects that cannot be removed.
    pub stuck: Vec<StoreError>,
}

impl Doomed {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

impl Store {
    /// Removes objects that are not needed, or counts them. `progress` hears how many things of how many are gone.
    pub fn collect(
        &self,
        keep: &Keep,
        limits: &Limits,
        mode: &Mode,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Collected, StoreError> {
        let (records, objects) = (self.stored_records()?, self.objects()?);
        let doomed = decide(&records, &objects, keep, limits);
        let leftovers = self.leftovers(limits)?;
        let mut collected = Collected::default();
        doomed.records.iter().for_each(|&record| collected.records.add(records[record].size));
        for (index, object) in objects.iter().enumerate() {
            let part = if doomed.objects.contains(&index) { &mut collected.objects } else { &mut collected.kept };
            part.add(object.size);
        }
        if let Mode::Look = mode {
            leftovers.iter().for_each(|(_, bytes)| collected.leftovers.add(*bytes));
            return Ok(collected);
        }
        self.claim()?;
        let total = collected.records.count + collected.objects.count + leftovers.len() as u64;
        // The note after its record: without one there is nothing that it could be about.
        let of_record = |record: &StoredRecord| [record.path.clone(), self.layout.elsewhere(&record.key)];
        let paths = doomed.records.iter().flat_map(|&record| of_record(&records[record]));
        let names = doomed.objects.iter().map(|&object| objects[object].name);
        for (done, path) in paths.chain(names.flat_map(|name| self.paths(name))).enumerate() {
            self.remove(&path)?;
            progress((done as u64 + 1).min(total), total);
        }
        for (path, bytes) in leftovers {
            match self.remove(&path) {
                Ok(()) => collected.leftovers.add(bytes),
                Err(error) => collected.stuck.push(error),
            }
        }
        for parent in [self.layout.temporary(), self.layout.work()] {
            if parent.is_dir() {
                collected.stuck.extend(scratch::sweep(&parent)?);
            }
        }
        Ok(collected)
    }

    /// The size of a room of the user's, and its removal when `mode` says so. Only files that the engine put there count. Reasons
    /// for files that cannot be removed are added to `stuck`.
    pub fn clear(&self, room: UserRoom, mode: &Mode, stuck: &mut Vec<StoreError>) -> Result<Doomed, StoreError> {
        let quarantined = |path: &Path| marker::is_from_a_store(path);
        let of_a_run = |path: &Path| path.file_name().and_then(OsStr::to_str).is_some_and(is_run);
        let (directory, is_ours): (_, &dyn Fn(&Path) -> bool) = match room {
            UserRoom::Displaced => (self.root().join("displaced"), &of_a_run),
            UserRoom::Quarantine => (self.layout.quarantine(), &quarantined),
            UserRoom::KeptWork => (self.layout.work().join("kept"), &of_a_run),
        };
        let ours: Vec<_> = entries(&directory)?.into_iter().filter(|path| is_ours(path)).collect();
        let mut size = RoomSize::default();
        if let Mode::Look = mode {
            ours.iter().for_each(|path| size.add(measure(path)));
            return Ok(Doomed { count: size.files, bytes: size.bytes });
        }
        self.claim()?;
        for path in &ours {
            let measured = measure(path);
            match remove_tree(path) {
                Ok(()) => size.add(measured),
                Err(error) => stuck.push(error),
            }
        }
        // With something of others in it, or of ours that stays, it stays too.
        let _ = fs::remove_dir(&directory);
        Ok(Doomed { count: size.files, bytes: size.bytes })
    }

    /// Checkpoints, resolved plans and notes of sent actions that nobody came back to within the grace.
    fn leftovers(&self, limits: &Limits) -> Result<Vec<(PathBuf, u64)>, StoreError> {
        let mut old = Vec::new();
        for room in ["checkpoints", "plans", "sent"] {
            for path in self.named_by_digest(room)? {
                let Some(stamp) = Stamp::stored(&path).at(&path)? else { continue };
                if is_old(stamp.mtime.max(stamp.ctime), limits) {
                    let bytes = if stamp.is_dir() { measure(&path).bytes } else { stamp.size };
                    old.push((path, bytes));
                }
            }
        }
        Ok(old)
    }

    /// Where an object lies; of a tree the manifest first, without which it is not found.
    fn paths(&self, name: ObjectName) -> Vec<PathBuf> {
        match name {
            ObjectName::Blob { digest, executable } => vec![self.layout.blob(&digest, executable)],
            ObjectName::Tree { digest } => vec![self.layout.manifest(&digest), self.layout.tree(&digest)],
        }
    }

    /// Removes a file, or a directory by way of `tmp/`: half of one is never under its name.
    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match Stamp::stored(path).at(path)? {
            None => Ok(()),
            Some(stamp) if stamp.is_dir() => {
                let aside = self.fresh()?;
                match move_away(path, &aside) {
                    Ok(()) => remove_tree(&aside),
                    // Somebody else's: as much goes as may.
                    Err(Errno::ACCESS | Errno::PERM) => remove_tree(path),
                    Err(error) => Err(StoreError::io(path, error)),
                }
            }
            Some(_) => match fs::remove_file(path) {
                // Put aside by somebody else.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                removed => removed.at(path),
            },
        }
    }
}

/// The records and objects that go, by index.
#[derive(Debug, Default)]
struct Decision {
    records: Vec<usize>,
    objects: HashSet<usize>,
}

fn decide(records: &[StoredRecord], objects: &[Object], keep: &Keep, limits: &Limits) -> Decision {
    let sizes: HashMap<ObjectName, u64> = objects.iter().map(|object| (object.name, object.size)).collect();
    let names: Vec<HashSet<ObjectName>> = records.iter().map(|stored| named(stored, &sizes)).collect();
    let mut users: HashMap<ObjectName, usize> = HashMap::new();
    names.iter().flatten().for_each(|name| *users.entry(*name).or_default() += 1);
    let mut decision = Decision::default();
    let mut released = HashSet::new();
    let mut drop_objects = |record: usize| {
        let mut freed = 0;
        for name in &names[record] {
            let left = users.entry(*name).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && !keep.artifacts.contains(&name.digest()) {
                released.insert(*name);
                freed += sizes.get(name).copied().unwrap_or(0);
            }
        }
        freed
    };

    let used_at = |stored: &StoredRecord| {
        let written = (stored.written / SECOND).max(0) as u64;
        keep.used_at.get(&stored.key).copied().unwrap_or(0).max(written)
    };
    let (mut staying, mut total) = (Vec::new(), objects.iter().map(|object| object.size).sum::<u64>());
    for (index, stored) in records.iter().enumerate() {
        let needed = keep.pinned.contains(&stored.key) || keep.roots.contains(&stored.key);
        if needed || used_at(stored).saturating_add(limits.grace.as_secs()) > limits.now {
            staying.push(index);
        } else {
            decision.records.push(index);
            total = total.saturating_sub(drop_objects(index));
        }
    }
    // Objects that no record names: left by kills, or inputs of records that are gone.
    let all_named: HashSet<&ObjectName> = names.iter().flatten().collect();
    let strays: Vec<usize> = (0..objects.len())
        .filter(|&index| {
            let object = &objects[index];
            !keep.artifacts.contains(&object.name.digest())
                && is_old(object.touched, limits)
                && !all_named.contains(&object.name)
        })
        .collect();
    total = total.saturating_sub(strays.iter().map(|&index| objects[index].size).sum());

    if let Some(max) = limits.max_size {
        staying.retain(|&index| !keep.pinned.contains(&records[index].key));
        // The last results of pipelines go last.
        staying.sort_by_key(|&index| (keep.roots.contains(&records[index].key), used_at(&records[index])));
        for index in staying {
            if total <= max {
                break;
            }
            // What takes no room here makes none, and what a remote has is a hit also without its content.
            if !records[index].elsewhere && !names[index].is_empty() {
                decision.records.push(index);
            }
            total = total.saturating_sub(drop_objects(index));
        }
    }
    decision.objects = (0..objects.len()).filter(|&index| released.contains(&objects[index].name)).collect();
    decision.objects.extend(strays);
    decision
}

/// The objects that a record names: the outputs of the action, and those of its inputs that are here.
fn named(stored: &StoredRecord, sizes: &HashMap<ObjectName, u64>) -> HashSet<ObjectName> {
    let Some(record) = &stored.record else { return HashSet::new() };
    let outputs = record.outputs.values().map(ObjectName::of);
    let inputs = record.action.inputs.values().flatten().flat_map(|input| ObjectName::any(input.digest));
    outputs.chain(inputs).filter(|name| sizes.contains_key(name)).collect()
}

const SECOND: i64 = 1_000_000_000;

fn is_old(touched: i64, limits: &Limits) -> bool {
    let seconds = (touched / SECOND).max(0) as u64;
    seconds.saturating_add(limits.grace.as_secs()) <= limits.now
}
