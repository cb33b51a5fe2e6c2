//! Whose fault it is when something goes wrong on the way of one stage: its own, and then it fails and others go on, or the
//! engine's, and then the run cannot go on.
//!
//! What lies in the store is the engine's; a path of the user's is the stage's that names it. Of a stage's private directory, which
//! lies in the store too, the shape is the stage's: what it left there, how deep, with which rights.

use std::io;
use std::path::Path;

use contract::{FailureClass, Type};
use rustix::io::Errno;

use super::{EngineError, FailureReport};
use crate::plan::{InputSource, Plan, PlannedInput, PlannedOutput, PlannedStage, Work};
use crate::store::{Store, StoreError, StoreErrorKind};

/// Characters of a path that are shown.
const SHOWN: usize = 200;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The stage fails.
    Stage(FailureReport),
    /// The run breaks off.
    Engine(EngineError),
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Fault {
        Fault::Engine(error)
    }
}

impl Fault {
    /// An input of `stage` cannot be read.
    pub fn of_input(
        plan: &Plan,
        store: &Store,
        stage: &PlannedStage,
        input: &PlannedInput,
        error: StoreError,
    ) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let port = &input.port;
        let help = match &error.kind {
            StoreErrorKind::EscapingLink { .. } => format!(
                "write `in: {{{port}: {{path: {}, follow: true}}}}` to read what links point at; declared at {}",
                input.mount.display(),
                stage.location
            ),
            StoreErrorKind::NotFound => match maker(plan, stage, input) {
                Some(how) => format!("{how}; declared at {}", stage.location),
                None => format!("declared at {}", stage.location),
            },
            _ => format!("declared at {}", stage.location),
        };
        Fault::stage(&error, format!("input `{port}` cannot be read"), help)
    }

    /// A file of the worker that the stage's card names cannot be read.
    pub fn of_worker(plan: &Plan, store: &Store, stage: &PlannedStage, error: StoreError) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let card = card_of(plan, stage).unwrap_or("its card".to_owned());
        let help = format!("{card} names that file; the stage is declared at {}", stage.location);
        Fault::stage(&error, "a file of its worker cannot be read".to_owned(), help)
    }

    /// The file whose content stands for tools of `stage` cannot be read.
    pub fn of_tool(store: &Store, stage: &PlannedStage, error: StoreError) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let help = format!("`key:` of the `tools:` of the stage at {} names that file", stage.location);
        Fault::stage(&error, "the file that stands for its tools cannot be read".to_owned(), help)
    }

    /// An output of `stage` cannot be brought to its place. What was made is kept.
    pub fn of_publishing(store: &Store, stage: &PlannedStage, output: &PlannedOutput, error: StoreError) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let (port, place) = (&output.port, output.destination.display());
        let help = format!("its result is kept: make room there and run again; declared at {}", stage.location);
        Fault::stage(&error, format!("output `{port}` cannot be put at {place}"), help)
    }

    /// The private directory of `stage`, or the places of its outputs in the workspace, cannot be prepared.
    pub fn of_preparation(store: &Store, stage: &PlannedStage, directory: &Path, error: StoreError) -> Fault {
        if !is_of_stage(store, Some(directory), &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let help = format!("its inputs and outputs share one directory while it runs; declared at {}", stage.location);
        Fault::stage(&error, "what it reads and writes cannot be laid out".to_owned(), help)
    }

    fn stage(error: &StoreError, message: String, help: String) -> Fault {
        let class = match error.kind {
            StoreErrorKind::DiskFull => FailureClass::Resources,
            _ => FailureClass::InvalidInput,
        };
        let path = error.path.to_string_lossy();
        let message = format!("{message}: {}: {}", shortened(&path), error.kind);
        Fault::Stage(FailureReport { class, message, help: Some(help) })
    }
}

/// Which stage could make an input that is not there: one whose output has its path, lies around it, or is called like it.
pub(crate) fn maker(plan: &Plan, stage: &PlannedStage, input: &PlannedInput) -> Option<String> {
    let InputSource::Path(path) = &input.source else { return None };
    let others = || plan.graph.node_weights().filter(|other| other.name != stage.name);
    let outputs = || others().flat_map(|other| other.outputs.iter().map(move |output| (other, output)));
    let exact = outputs().find(|(_, output)| output.destination == *path);
    let around = || outputs().find(|(_, output)| path.starts_with(&output.destination));
    let alike = || outputs().find(|(_, output)| output.destination.file_name() == path.file_name());
    let (other, output) = exact.or_else(around).or_else(alike)?;
    let (name, port, place) = (&other.name, &output.port, output.destination.display());
    Some(format!("stage `{name}` gives {place}: write `in: {{{}: {name}.{port}}}`", input.port))
}

/// What to do about an output that is no file, or no directory, though it was declared to be one.
pub(crate) fn unlike(stage: &PlannedStage, output: &PlannedOutput, path: &Path) -> String {
    let (port, place) = (&output.port, output.destination.display());
    let is_command = matches!(stage.work, Work::Command(_));
    match (output.artifact, path.symlink_metadata()) {
        (Type::File, Ok(found)) if found.is_dir() && is_command => {
            format!(
                "if a directory is meant, write `out: {{{port}: {{path: {place}, type: dir}}}}`; declared at {}",
                stage.location
            )
        }
        (Type::Dir, Ok(found)) if found.is_file() && is_command => {
            format!("if a file is meant, leave out `type: dir`; declared at {}", stage.location)
        }
        _ => "the program ended well but did not write it like that; see its log".to_owned(),
    }
}

/// The card of `stage` by its file, where it does not ship with the engine.
pub(crate) fn card_of(plan: &Plan, stage: &PlannedStage) -> Option<String> {
    let Work::Card { path: Some(path), .. } = &stage.work else { return None };
    Some(format!("the card {}", path.strip_prefix(&plan.root).unwrap_or(path).display()))
}

/// A path whose length may be what is wrong with it is not shown whole.
pub(crate) fn shortened(path: &str) -> String {
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &path[..end]),
        None => path.to_owned(),
    }
}

/// Parts what fails the stage from what ends the run.
pub(crate) fn split<T>(result: Result<T, Fault>) -> Result<Result<T, FailureReport>, EngineError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Stage(failure)) => Ok(Err(failure)),
        Err(Fault::Engine(error)) => Err(error),
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
