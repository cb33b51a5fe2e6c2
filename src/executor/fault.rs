//! Decides whose fault an error on the way of one action is. An error of the action fails it, and others go on; an error of the place
//! ends the run.
//!
//! Paths in the store are the engine's; a path of the user's belongs to the stage that names it. A stage's private directory lies in the
//! store too, but its shape is the stage's: the files it left there, how deep, with which rights.

use std::io;
use std::path::Path;

use contract::FailureClass;
use rustix::io::Errno;

use super::{ExecutorError, FailureReport};
use crate::spec::Location;
use crate::store::{Store, StoreError, StoreErrorKind};

/// Characters of a path that are shown.
const SHOWN: usize = 200;

/// The failure, by its owner.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The stage fails.
    Stage(FailureReport),
    /// The run breaks off.
    Place(ExecutorError),
}

impl From<ExecutorError> for Fault {
    fn from(error: ExecutorError) -> Fault {
        Fault::Place(error)
    }
}

/// The private directory of the stage declared at `location`, or the places of its outputs in the workspace, cannot be prepared.
pub(crate) fn of_preparation(store: &Store, location: &Location, directory: Option<&Path>, error: StoreError) -> Fault {
    if !is_of_stage(store, directory, &error) {
        return Fault::Place(error.into());
    }
    let help = format!("its inputs and outputs share one directory while it runs; declared at {location}");
    Fault::Stage(failure(&error, "what it reads and writes cannot be laid out", help))
}

/// The failure of a stage that `error` is the cause of.
pub(crate) fn failure(error: &StoreError, message: &str, help: String) -> FailureReport {
    let class = match error.kind {
        StoreErrorKind::DiskFull => FailureClass::Resources,
        _ => FailureClass::InvalidInput,
    };
    let path = error.path.to_string_lossy();
    let message = format!("{message}: {}: {}", shortened(&path), error.kind);
    FailureReport { class, message, help: Some(help) }
}

/// A path that may be too long is not shown whole.
pub(crate) fn shortened(path: &str) -> String {
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &path[..end]),
        None => path.to_owned(),
    }
}

/// Whether `error` is the fault of the stage whose own place in the store is `private`.
pub(crate) fn is_of_stage(store: &Store, private: Option<&Path>, error: &StoreError) -> bool {
    use StoreErrorKind::{
        Changing, CircularLink, ContainsStore, CrossDevice, Damaged, DanglingLink, DiskFull, EscapingLink, FileLimit,
        HeldAround, Immovable, Io, LeadsAway, Missing, NewerStore, NotAStore, NotDirectory, NotFile, NotFound,
        Occupied, Permission, ReadOnly, SpecialFile, TooDeep, TooManyFollowed, Unrepresentable, Unwritable,
    };
    let of_machine = |error: &io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN))
    };
    let of_shape = |error: &io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::NAMETOOLONG | Errno::LOOP | Errno::ISDIR | Errno::INVAL))
    };
    let outside = !error.path.starts_with(store.root());
    let own = outside || private.is_some_and(|private| error.path.starts_with(private));
    match &error.kind {
        Missing | Damaged | Immovable | Unrepresentable(_) => false,
        Unwritable { .. } | NotAStore { .. } | NewerStore { .. } | HeldAround { .. } => false,
        ContainsStore { .. }
        | LeadsAway { .. }
        | DanglingLink { .. }
        | CircularLink
        | TooManyFollowed { .. }
        | TooDeep => true,
        DiskFull | FileLimit | ReadOnly | CrossDevice => outside,
        Io(error) => (outside && !of_machine(error)) || (own && of_shape(error)),
        Permission | NotFound | NotFile { .. } | NotDirectory { .. } | SpecialFile { .. } => own,
        EscapingLink { .. } | Changing | Occupied => own,
    }
}
