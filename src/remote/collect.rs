//! Garbage collection of a remote: removes records that are no roots and are older than the grace period, then objects that no record names
//! and that are older too.
//!
//! Everything younger than the grace period stays in any case: another machine may be about to name it. So do the objects that stages
//! running elsewhere name, and those written since the first of these stages began ([`super::actions`]). The age of an object is told by
//! the clock of the place, which also dates the objects: that of this machine may be days ahead.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::Digest;

use super::lanes;
use super::marker;
use super::meter::Meter;
use super::names;
use super::objects::{Listed, list_all};
use super::open::Remote;
use super::push::BATCH;
use super::{FailedClass, RemoteError, TransferError};
use crate::action::ActionKey;
use crate::store::{Shape, Store, read_record};

/// The records and artifacts of a remote that must stay.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Actions whose records stay.
    pub roots: HashSet<ActionKey>,
    /// Artifacts that stay, as far as a record names them or they are files.
    pub artifacts: HashSet<Digest>,
    /// Everything younger than this stays.
    pub grace: Duration,
}

/// The counts of objects that go from a remote, and of those that stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteCollected {
    /// Records that go, and their bytes.
    pub records: (u64, u64),
    /// Blobs and manifests that go, and their bytes.
    pub objects: (u64, u64),
    /// Actions that showed no life for long and whose state goes, and its bytes.
    pub actions: (u64, u64),
    /// Actions that show life.
    pub live: u64,
    /// Objects that stay, records among them, and their bytes.
    pub kept: (u64, u64),
}

impl Remote {
    /// Removes the objects that are not needed; with `look` only counts them.
    pub fn collect(
        &self,
        store: &Store,
        kept: &Kept,
        look: bool,
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<RemoteCollected, TransferError> {
        self.require()?;
        let now = match marker::clock(self.objects.as_ref(), meter) {
            // Looking needs no right to write.
            Err(error) if look && error.class == FailedClass::Denied => unix_seconds(),
            now => now?,
        };
        let actions = self.actions(store, now, meter, watch)?;
        let is_old = |object: &Listed| {
            let of_action = actions.since.is_some_and(|since| object.modified >= since);
            object.modified.saturating_add(kept.grace.as_secs()) <= now && !of_action
        };
        let mut collected = RemoteCollected { live: actions.live.len() as u64, ..RemoteCollected::default() };
        let bytes = actions.dead.1.iter().map(|object| object.size).sum();
        collected.actions = (actions.dead.0, bytes);
        let mut staying = Vec::new();
        let mut going: Vec<String> = actions.dead.1.iter().map(|object| object.name.clone()).collect();
        list_all(self.objects.as_ref(), names::RECORDS, meter, |object| {
            let Some(key) = names::key_of(&object.name) else { return };
            if kept.roots.contains(&key) || actions.live.contains(&key) || !is_old(&object) {
                add(&mut collected.kept, object.size);
                staying.push(key);
            } else {
                add(&mut collected.records, object.size);
                going.push(object.name);
            }
        })?;
        let mut named = self.named(store, &staying, meter, watch)?;
        named.extend(&kept.artifacts);
        named.extend(&actions.named);
        for family in [names::TREES, names::BLOBS] {
            list_all(self.objects.as_ref(), family, meter, |object| {
                let Some(digest) = names::digest_of(&object.name) else { return };
                if named.contains(&digest) || !is_old(&object) {
                    add(&mut collected.kept, object.size);
                } else {
                    add(&mut collected.objects, object.size);
                    going.push(object.name);
                }
            })?;
        }
        if !look {
            // Records before objects: a kill in between leaves garbage, and no record without its outputs.
            for batch in going.chunks(BATCH) {
                if meter.is_stopped() {
                    return Err(RemoteError::interrupted().into());
                }
                self.objects.delete(batch, meter)?;
                watch(meter);
            }
        }
        Ok(collected)
    }

    /// The digests of everything that these records name.
    fn named(
        &self,
        store: &Store,
        keys: &[ActionKey],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<HashSet<Digest>, TransferError> {
        let named = lanes::each(self.objects.lanes(), keys, meter, watch, |key| {
            let mut named = Vec::new();
            let name = names::record(key);
            let unreadable = |why: String| {
                let message = format!("{name} cannot be read, so it is not known what is needed: {why}");
                RemoteError::new(FailedClass::Broken, message).help("remove it, or push its stage again")
            };
            let Some(bytes) = self.bytes(store, &name, super::pull::LARGEST_RECORD, meter)? else { return Ok(named) };
            let bytes = bytes.map_err(|refused| unreadable(refused.why))?;
            let record = read_record(&bytes, key).map_err(unreadable)?;
            for output in record.outputs.values() {
                named.push(output.digest);
                if let Shape::Dir { .. } = output.shape {
                    named.extend(self.files_of(store, output, meter)?);
                }
            }
            Ok(named)
        })?;
        Ok(named.into_iter().flatten().collect())
    }
}

/// The time of this machine.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn add(to: &mut (u64, u64), bytes: u64) {
    to.0 += 1;
    to.1 += bytes;
}
