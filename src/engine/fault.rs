//! Whose fault it is when something goes wrong on the way of one stage: its own, and then it fails and others go on, or the
//! engine's, and then the run cannot go on. [`crate::executor::fault`] tells the two apart.

use super::{EngineError, FailureReport};
use crate::executor::fault::{self, is_of_stage};
use crate::plan::{InputSource, Plan, PlannedInput, PlannedOutput, PlannedStage, Work};
use crate::store::{Store, StoreError, StoreErrorKind};

/// The failure, by its owner.
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
    pub(super) fn of_input(
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
    pub(super) fn of_worker(plan: &Plan, store: &Store, stage: &PlannedStage, error: StoreError) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let card = card_of(plan, stage).unwrap_or("its card".to_owned());
        let help = format!("{card} names that file; the stage is declared at {}", stage.location);
        Fault::stage(&error, "a file of its worker cannot be read".to_owned(), help)
    }

    /// The file whose content stands for tools of `stage` cannot be read.
    pub(super) fn of_tool(store: &Store, stage: &PlannedStage, error: StoreError) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let help = format!("`key:` of the `tools:` of the stage at {} names that file", stage.location);
        Fault::stage(&error, "the file that stands for its tools cannot be read".to_owned(), help)
    }

    /// An output of `stage` cannot be brought to its place. The outputs stay in the store.
    pub(super) fn of_publishing(
        store: &Store,
        stage: &PlannedStage,
        output: &PlannedOutput,
        error: StoreError,
    ) -> Fault {
        if !is_of_stage(store, None, &error) {
            return Fault::Engine(EngineError::store(error));
        }
        let (port, place) = (&output.port, output.destination.display());
        let help = format!("its result is kept: make room there and run again; declared at {}", stage.location);
        Fault::stage(&error, format!("output `{port}` cannot be put at {place}"), help)
    }

    fn stage(error: &StoreError, message: String, help: String) -> Fault {
        Fault::Stage(fault::failure(error, &message, help))
    }
}

impl From<fault::Fault> for Fault {
    fn from(fault: fault::Fault) -> Fault {
        match fault {
            fault::Fault::Stage(failure) => Fault::Stage(failure),
            fault::Fault::Place(error) => Fault::Engine(error.into()),
        }
    }
}

/// Which stage could make an input that is not there: one whose output has its path, lies around it, or is called like it.
fn maker(plan: &Plan, stage: &PlannedStage, input: &PlannedInput) -> Option<String> {
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

/// The card of `stage` by its file, where it does not ship with the engine.
pub(super) fn card_of(plan: &Plan, stage: &PlannedStage) -> Option<String> {
    let Work::Card { path: Some(path), .. } = &stage.work else { return None };
    Some(format!("the card {}", path.strip_prefix(&plan.root).unwrap_or(path).display()))
}

/// Separates failures of the stage from errors that end the run.
pub(crate) fn split<T>(result: Result<T, Fault>) -> Result<Result<T, FailureReport>, EngineError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Stage(failure)) => Ok(Err(failure)),
        Err(Fault::Engine(error)) => Err(error),
    }
}
