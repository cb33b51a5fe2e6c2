//! Sends records with all that they name: blobs, then manifests, then the records, so that a reader of a record finds the rest.
//!
//! A push first asks which objects are there already: nothing travels twice, and the next push continues one that was cut short. An object
//! of the wrong size is an earlier write that was cut short, at a place whose writes are not atomic; it is written again.

use std::collections::HashSet;
use std::path::PathBuf;

use super::TransferError;
use super::lanes;
use super::meter::Meter;
use super::names;
use super::objects::{Condition, LONGEST_TEXT, Put, Source};
use super::open::Remote;
use crate::store::{Artifact, Record, Store, StoreError, StoreErrorKind};

/// The outcome of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Objects that were sent, records among them.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were there already.
    pub there: u64,
    /// Records whose outputs are no longer in the local store: the stage, and the path that is missing.
    pub lacking: Vec<(String, String)>,
}

/// Something to send.
struct Item {
    name: String,
    body: Body,
    size: u64,
}

enum Body {
    File(PathBuf),
    Text(String),
}

/// Names in one request.
pub(super) const BATCH: usize = 1000;

impl Remote {
    /// Sends `records`. `watch` is called meanwhile on this thread, and may stop it by the meter.
    pub fn push(
        &self,
        store: &Store,
        records: &[Record],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Pushed, TransferError> {
        self.establish_watched(meter)?;
        let here = self.place().identity();
        let mut pushed = Pushed::default();
        // Each may rely on those before it.
        let mut ranks: [Vec<Item>; 3] = Default::default();
        let mut seen = HashSet::new();
        for record in records {
            match parcels(store, record) {
                Ok(items) => {
                    for (rank, item) in items {
                        if seen.insert(item.name.clone()) {
                            ranks[rank].push(item);
                        }
                    }
                }
                // It came from there as a record alone.
                Err(StoreError { kind: StoreErrorKind::Missing, .. })
                    if store.elsewhere(&record.key).as_ref() == Some(&here) =>
                {
                    pushed.there += 1;
                }
                Err(StoreError { path, kind: StoreErrorKind::Missing | StoreErrorKind::Damaged }) => {
                    pushed.lacking.push((record.stage.clone(), path.display().to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.deliver(ranks, &mut pushed, meter, watch)?;
        Ok(pushed)
    }

    /// Sends artifacts that the store holds, without a record that names them. `watch` is as with [`Remote::push`].
    pub(crate) fn send(
        &self,
        store: &Store,
        artifacts: &[Artifact],
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<(), TransferError> {
        let mut ranks: [Vec<Item>; 3] = Default::default();
        let mut seen = HashSet::new();
        for artifact in artifacts {
            for (rank, item) in parcel(store, artifact)? {
                if seen.insert(item.name.clone()) {
                    ranks[rank].push(item);
                }
            }
        }
        self.deliver(ranks, &mut Pushed::default(), meter, watch)
    }

    /// Sends the objects that are not there yet, rank by rank.
    fn deliver(
        &self,
        ranks: [Vec<Item>; 3],
        pushed: &mut Pushed,
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<(), TransferError> {
        let absent = self.where_nothing_lies();
        let mut to_send: Vec<Vec<(Item, Condition)>> = Vec::new();
        for items in ranks {
            let sizes = self.sizes(items.iter().map(|item| item.name.clone()), meter, watch)?;
            let mut open = Vec::new();
            for (item, size) in items.into_iter().zip(sizes) {
                match size {
                    Some(size) if size == item.size && !self.is_wrong(&item.name) => pushed.there += 1,
                    Some(_) => open.push((item, Condition::Any)),
                    None => open.push((item, absent.clone())),
                }
            }
            meter.expect(open.iter().map(|(item, _)| item.size).sum());
            to_send.push(open);
        }
        for rank in to_send {
            let made = lanes::each(self.objects.lanes(), &rank, meter, watch, |(item, condition)| {
                let source = match &item.body {
                    Body::File(path) => Source::File { path, size: item.size },
                    Body::Text(text) => Source::Text(text),
                };
                Ok(self.objects.put(&item.name, source, condition, meter)?)
            })?;
            for ((item, _), put) in rank.iter().zip(made) {
                match put {
                    Put::Made => {
                        pushed.sent += 1;
                        pushed.bytes += item.size;
                    }
                    // Somebody else sent the same meanwhile.
                    Put::Refused => pushed.there += 1,
                }
            }
        }
        Ok(())
    }

    /// The sizes of these objects, asked in batches.
    pub(super) fn sizes(
        &self,
        names: impl Iterator<Item = String>,
        meter: &Meter,
        watch: &mut dyn FnMut(&Meter),
    ) -> Result<Vec<Option<u64>>, TransferError> {
        let names: Vec<String> = names.collect();
        let batches: Vec<&[String]> = names.chunks(BATCH).collect();
        let sizes =
            lanes::each(self.objects.lanes(), &batches, meter, watch, |batch| Ok(self.objects.has(batch, meter)?))?;
        Ok(sizes.into_iter().flatten().collect())
    }
}

/// The objects of an artifact, each with its rank: 0 blobs, 1 manifests.
fn parcel(store: &Store, artifact: &Artifact) -> Result<Vec<(usize, Item)>, StoreError> {
    let parcel = store.parcel(artifact)?;
    let pieces = parcel
        .pieces
        .into_iter()
        .map(|piece| (0, Item { name: names::blob(&piece.digest), body: Body::File(piece.path), size: piece.size }));
    let manifest = parcel
        .manifest
        .map(|piece| (1, Item { name: names::tree(&piece.digest), body: Body::File(piece.path), size: piece.size }));
    Ok(pieces.chain(manifest).collect())
}

/// The objects of a record, each with its rank: 0 blobs, 1 manifests, 2 the record.
fn parcels(store: &Store, record: &Record) -> Result<Vec<(usize, Item)>, StoreError> {
    let mut items = Vec::new();
    for artifact in record.outputs.values() {
        items.extend(parcel(store, artifact)?);
    }
    let text = store.record_text(record)?;
    let size = text.len() as u64;
    let body = if text.len() <= LONGEST_TEXT { Body::Text(text) } else { Body::File(store.departing(&text)?) };
    items.push((2, Item { name: names::record(&record.key), body, size }));
    Ok(items)
}
