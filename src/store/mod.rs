//! The store: artifacts and records by digest, on one filesystem, shared by any number of processes.
//!
//! - [`objects`]: blobs and trees, and why an untouched one needs no reading. [`records`]: the results of actions, and other small files.
//! - [`inward`]: into the store. [`outward`]: out of it, into private directories and the workspace.
//! - [`parcel`]: the parts that travel to other stores and come in from them.
//! - [`upkeep`]: the inventory, its check, its collection.
//! - [`directory`]: the store's marker, its layout, its locks. [`files`]: the filesystem. [`error`]: the errors.
//!
//! Everything is blocking and may be called from any thread. Objects are written before the record that names them, by one
//! rename each: a crash leaves garbage under `tmp/`, never a half object under its name. `docs/store.md` is the long form.

mod directory;
mod error;
mod files;
mod inward;
mod objects;
mod outward;
mod parcel;
mod records;
mod upkeep;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use directory::hold::Hold;
pub use directory::layout::is_run;
pub use directory::lock::ActionLock;
pub use directory::mend::repairs;
pub use error::{StoreError, StoreErrorKind};
pub use files::follow::LinksIn;
pub use files::hash::halt;
pub use files::measure::RoomSize;
pub use files::open::{open_file, read_kept};
pub use files::removal::remove_tree;
pub use objects::check::Presence;
pub use outward::claims::{Busy, Claim, Claimant, Claims};
pub use outward::materialize::Placement;
pub use outward::placed::Placed;
pub use outward::publish::Published;
pub use parcel::{Listing, Parcel, Piece, read_record};
pub use records::elsewhere::Away;
pub use records::kept::{Chain, Kept, open_document, seal_document};
pub use records::model::{Artifact, RECORD_FORMAT, Record, Shape};
pub use records::pins::Pin;
pub use records::places::{Places, PublishedPlace, Summary};
pub use records::record::{Durability, Lookup, MissReason};
pub use upkeep::collect::{Collected, Doomed, Keep, Limits, Mode, UserRoom};
pub use upkeep::inventory::{ROOMS, Room};
pub use upkeep::scrub::{Damage, DamagedThing, ROOTS, Sample, Scrubbed};

use directory::layout::Layout;
use directory::scratch::Scratch;
use error::At;
use objects::memo::Memo;
use objects::touches::Touches;
use objects::tree::RecentTrees;
use outward::place::Placer;
use records::last::LastActions;

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
    /// The remote whose content counts as here.
    counts_on: Option<String>,
    /// Whether the directory bears the marker. It gets it before anything else is written there.
    marked: AtomicBool,
}

/// The evidence that an object is untouched.
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
            memo: Mutex::new(objects::memo_file::load(&layout.memo())),
            last: Mutex::default(),
            trees: Mutex::default(),
            scratch: Mutex::default(),
            work: Mutex::default(),
            placer: Placer::new(),
            touches: Touches::default(),
            trust: Trust::default(),
            counts_on: None,
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

    /// Marks the directory as a store unless it is one. Everything that writes to it, or removes from it, comes here first.
    fn claim(&self) -> Result<(), StoreError> {
        if !self.marked.load(Ordering::Relaxed) {
            directory::marker::mark(self.root()).map_err(|error| self.unwritable(error))?;
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
    let marked = directory::marker::recognize(&root)?;
    Ok((root, marked))
}

#[cfg(test)]
mod tests;
