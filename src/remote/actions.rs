//! The state of stages that run elsewhere, as the gc of a remote sees it: an action that shows life keeps all artifacts that its documents
//! name, and the state of an action without a sign of life for [`DEAD_AFTER`] goes.
//!
//! An attempt renews its lease every few seconds, and a client writes an intent before a launch: so the newest object below
//! `actions/<key>/` is the last sign of life, by the clock of the place. This module does not know the form of the documents. They name
//! artifacts by digest, and every digest in them counts.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use contract::Digest;
use serde_json::Value;

use super::lanes;
use super::meter::Meter;
use super::names;
use super::objects::{Listed, list_all};
use super::open::Remote;
use super::{FailedClass, RemoteError, TransferError};
use crate::action::ActionKey;
use crate::store::Store;

/// The state of an action that shows no life for so long goes, with its checkpoints.
pub const DEAD_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes of the largest document that is read: an order names every input.
const LARGEST: u64 = 256 << 20;

/// The state of actions that are, or were, carried out elsewhere.
#[derive(Debug, Default)]
pub(super) struct Actions {
    /// Those that show life.
    pub live: HashSet<ActionKey>,
    /// Digests that their documents name.
    pub named: HashSet<Digest>,
    /// When the first object of an action with a running attempt was written, in Unix seconds: a later object may belong to such an action
    /// before a document names it.
    pub since: Option<u64>,
    /// The number of the other actions, and their objects.
    pub dead: (u64, Vec<Listed>),
}

impl Remote {
    /// The state of all actions, as of `now` in Unix seconds.
    pub(super) fn actions(
        &self,
        store: &Store,
        now: u64,
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Actions, TransferError> {
        let mut all: BTreeMap<ActionKey, Vec<Listed>> = BTreeMap::new();
        list_all(self.objects.as_ref(), names::ACTIONS, meter, |object| {
            if let Some(key) = object.name.split('/').nth(1).and_then(|key| key.parse().ok()) {
                all.entry(key).or_default().push(object);
            }
        })?;
        let mut actions = Actions::default();
        let mut documents = Vec::new();
        for (key, objects) in all {
            let newest = objects.iter().map(|object| object.modified).max().unwrap_or(0);
            if newest.saturating_add(DEAD_AFTER.as_secs()) <= now {
                actions.dead.0 += 1;
                actions.dead.1.extend(objects);
                continue;
            }
            actions.live.insert(key);
            if goes_on(&objects) {
                let first = objects.iter().map(|object| object.modified).min();
                actions.since = actions.since.into_iter().chain(first).min();
            }
            documents.extend(objects.into_iter().map(|object| object.name).filter(|name| names_artifacts(name)));
        }
        let named =
            lanes::each(self.objects.lanes(), &documents, meter, watch, |name| self.digests_in(store, name, meter))?;
        actions.named.extend(named.into_iter().flatten());
        let trees: Vec<Digest> = actions.named.iter().copied().collect();
        let files =
            lanes::each(self.objects.lanes(), &trees, meter, watch, |digest| self.files_below(store, digest, meter))?;
        actions.named.extend(files.into_iter().flatten());
        Ok(actions)
    }

    /// Every digest in a document of an action.
    fn digests_in(&self, store: &Store, name: &str, meter: &Meter) -> Result<Vec<Digest>, TransferError> {
        let unreadable = |why: String| {
            let message = format!("{name} cannot be read, so it is not known what is needed: {why}");
            RemoteError::new(FailedClass::Broken, message).help("remove what lies below that action, or let it end")
        };
        // Removed since it was listed.
        let Some(bytes) = self.bytes(store, name, LARGEST, meter)? else { return Ok(Vec::new()) };
        let bytes = bytes.map_err(|refused| unreadable(refused.why))?;
        let document: Value = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        let (mut digests, mut pending) = (Vec::new(), vec![&document]);
        while let Some(value) = pending.pop() {
            match value {
                Value::String(text) => digests.extend(text.parse::<Digest>().ok()),
                Value::Array(values) => pending.extend(values),
                Value::Object(members) => pending.extend(members.values()),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        Ok(digests)
    }
}

/// Whether an attempt goes on: the newest intent has no recorded end.
fn goes_on(objects: &[Listed]) -> bool {
    let newest = |part: &str| {
        let parts = objects.iter().map(|object| object.name.split('/').skip(2).collect::<Vec<_>>());
        parts
            .filter(|name| name.first() == Some(&part))
            .filter_map(|name| name.get(1).map(|last| (*last).to_owned()))
            .max()
    };
    newest("intent") > newest("attempt")
}

/// Whether the document with this name may name artifacts. Events, logs, stops, ends and leases do not.
fn names_artifacts(name: &str) -> bool {
    let part = name.split('/').nth(2).unwrap_or_default();
    name.ends_with(".json") && !matches!(part, "events" | "log" | "stop" | "attempt" | "lease.json")
}
