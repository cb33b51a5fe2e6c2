//! The store: artifacts and records by digest, on one filesystem, shared by any number of processes.
//!
//! - [`model`]: what is kept. [`record`]: what an action gave, looked up by its key. [`check`]: whether an artifact is sound.
//! - Into the store: [`ingest`] copies from the workspace, [`adopt`] takes from a private directory.
//! - Out of it: [`materialize`] into a private directory, [`publish`] into the workspace, destroying nothing there, [`copy_out`]
//!   to anywhere else, for keeps.
//! - [`claims`]: who publishes where; [`ours`]: what lies there of ours.
//! - Looked after by [`scrub`], which reads it all, [`collect`], which removes what nobody needs ([`pins`] say what somebody does),
//!   and [`recover`], which takes back from the workspace what was lost. [`inventory`]: what there is. [`hold`]: who uses it.
//! - [`marker`]: what makes a directory a store; no other is touched. [`removal`]: how what programs leave goes.
//! - [`open`] and [`mend`]: what lies where something else belongs. [`kept`]: the checksums of small files.
//! - [`survey`]: whether something could be taken in, without reading it.
//! - [`seal`], [`memo`] and [`touches`]: why that needs no reading. [`placed`]: whether inputs stayed as they were. [`lock`]: one
//!   execution an action. [`rooms`]: directories for a run.
//!
//! Everything is blocking and may be called from any thread. Objects are written before the record that names them, by one
//! rename each: a crash leaves garbage under `tmp/`, never a half object under its name. `docs/store.md` is the long form.

mod adopt;
mod aside;
mod check;
mod claims;
mod collect;
mod copy_out;
mod error;
mod follow;
mod hash;
mod hold;
mod ingest;
mod install;
mod inventory;
mod kept;
mod last;
mod layout;
mod lock;
mod manifest;
mod marker;
mod materialize;
mod measure;
mod memo;
mod memo_file;
mod mend;
mod model;
mod open;
mod ours;
mod pins;
mod place;
mod placed;
mod places;
mod plans;
mod publish;
mod record;
mod recover;
mod removal;
mod rooms;
mod scratch;
mod scrub;
mod seal;
mod stamp;
mod survey;
mod swap;
mod touches;
mod tree;
mod vacate;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use check::Presence;
pub use claims::{Busy, Claim, Claimant, Claims};
pub use collect::{Collected, Doomed, Keep, Limits, Mode, UserRoom};
pub use error::{StoreError, StoreErrorKind};
pub use follow::LinksIn;
pub use hash::halt;
pub use hold::Hold;
pub use inventory::{ROOMS, Room};
pub use kept::{Chain, Kept, open_document, seal_document};
pub use layout::is_run;
pub use lock::ActionLock;
pub use materialize::Placement;
pub use measure::RoomSize;
pub use mend::repairs;
pub use model::{Artifact, RECORD_FORMAT, Record, Shape};
pub use open::{open_file, read_kept};
pub use pins::Pin;
pub use placed::Placed;
pub use places::{Places, PublishedPlace, Summary};
pub use publish::Published;
pub use record::{Durability, Lookup, MissReason};
pub use removal::remove_tree;
pub use scrub::{Damage, DamagedThing, ROOTS, Sample, Scrubbed};

use error::At;
use last::LastActions;
use layout::Layout;
use memo::Memo;
use place::Placer;
use scratch::Scratch;
use touches::Touches;
use tree::RecentTrees;

/// A store of artifacts and records.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    memo: Mutex<Memo>,
    last: Mutex<LastActions>,
    trees: Mutex<RecentTrees>,
    /// Made when something is first written, so that a run that only reads leaves no trace.
    scratch: Mutex<Option<Arc<Scratch>>>,
    work: Mutex<Option<Arc<Scratch>>>,
    placer: Placer,
    touches: Touches,
    trust: Trust,
    /// Whether the directory bears the marker. It gets it before anything else is written there.
    marked: AtomicBool,
}

/// What shows that an object is untouched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Its seal, or the memo where the filesystem keeps no seals.
    #[default]
    Seal,
    /// Only its bytes, read at every use.
    Nothing,
}

impl Store {
    /// The store in `directory`, which need not exist yet. Nothing is written before there is something to keep, and a directory
    /// that is neither a store nor may become one is refused.
    pub fn open(directory: &Path) -> Result<Store, StoreError> {
        let (root, marked) = recognized(directory)?;
        let layout = Layout::new(root);
        Ok(Store {
            memo: Mutex::new(memo_file::load(&layout.memo())),
            last: Mutex::default(),
            trees: Mutex::default(),
            scratch: Mutex::default(),
            work: Mutex::default(),
            placer: Placer::new(),
            touches: Touches::default(),
            trust: Trust::default(),
            marked: marked.into(),
            layout,
        })
    }

    /// Refuses a `directory` that [`Store::open`] refuses, and reads no more than that takes.
    pub fn recognize(directory: &Path) -> Result<(), StoreError> {
        recognized(directory).map(|_| ())
    }

    /// This store, believing no more than `trust` allows.
    pub fn trusting(self, trust: Trust) -> Store {
        Store { trust, ..self }
    }

    /// The directory it lies in.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the directory as a store unless it is. Whatever writes to it, or removes from it, comes here first.
    fn claim(&self) -> Result<(), StoreError> {
        if !self.marked.load(Ordering::Relaxed) {
            marker::mark(self.root()).map_err(|error| self.unwritable(error))?;
            self.marked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A temporary path on the store's filesystem.
    fn fresh(&self) -> Result<PathBuf, StoreError> {
        Ok(self.own(&self.scratch, self.layout.temporary())?.fresh())
    }

    /// This process's directory under `work/`.
    fn work(&self) -> Result<Arc<Scratch>, StoreError> {
        self.own(&self.work, self.layout.work())
    }

    /// This process's directory under `parent`, made when first asked for.
    fn own(&self, slot: &Mutex<Option<Arc<Scratch>>>, parent: PathBuf) -> Result<Arc<Scratch>, StoreError> {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*slot {
            return Ok(Arc::clone(own));
        }
        self.claim()?;
        let own = Scratch::new(&parent).map_err(|error| self.unwritable(error))?;
        Ok(Arc::clone(slot.insert(Arc::new(own))))
    }

    /// An error about a place in the store. That nothing can be written there is said of the store.
    fn unwritable(&self, error: StoreError) -> StoreError {
        match error.kind {
            StoreErrorKind::ReadOnly | StoreErrorKind::Permission => {
                let why = if matches!(error.kind, StoreErrorKind::ReadOnly) {
                    "the filesystem is read-only"
                } else {
                    "permission denied"
                };
                StoreError::new(self.root(), StoreErrorKind::Unwritable { why, at: error.path })
            }
            _ => error,
        }
    }
}

/// The directory's own path, and whether it bears the marker of a store.
fn recognized(directory: &Path) -> Result<(PathBuf, bool), StoreError> {
    let root = match fs::canonicalize(directory) {
        Ok(root) => root,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => std::path::absolute(directory).at(directory)?,
        Err(error) => return Err(StoreError::io(directory, error)),
    };
    let marked = marker::recognize(&root)?;
    Ok((root, marked))
}

#[cfg(test)]
mod tests;
