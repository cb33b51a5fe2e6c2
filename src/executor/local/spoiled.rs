//! Inputs that are not, or did not stay, what a stage's key says: somebody wrote into the store's own files. What the stage gave
//! is then recorded for nobody; what it read is made anew, and the stage runs again.

use std::path::{Path, PathBuf};

use crate::engine::fault::Fault;
use crate::engine::resolve::Resolved;
use crate::engine::{EngineError, Shared};
use crate::plan::{InputSource, PlannedStage, StageId};
use crate::spec::PortName;
use crate::store::{Artifact, Placed, Placement, Presence, StoreError, StoreErrorKind};

/// Which of the things that a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The input at this position.
    Input(usize),
    /// The file of its worker at this position.
    WorkerFile(usize),
}

/// Something that a stage reads, as it was placed for it.
#[derive(Debug)]
pub(crate) struct PlacedInput {
    pub source: Source,
    pub placed: Placed,
    /// Where the stage reads it, when that is the place where it was published.
    pub published: Option<(Artifact, PathBuf)>,
}

/// Something that a stage reads and that is not what it was.
#[derive(Debug)]
pub(crate) struct SpoiledInput {
    pub source: Source,
    /// Where that was found.
    pub path: PathBuf,
    /// Where it was moved.
    pub quarantined: Option<PathBuf>,
}

impl SpoiledInput {
    /// What it is, in words, and who can make it anew.
    pub fn describe(&self, stage: &PlannedStage, resolved: &Resolved) -> (String, Option<StageId>) {
        let (name, producer) = match self.source {
            Source::Input(at) => {
                let input = &stage.inputs[at];
                let producer = match &input.source {
                    InputSource::Stage { stage, .. } => Some(*stage),
                    InputSource::Path(_) => None,
                };
                (format!("its input `{}`", input.port), producer)
            }
            Source::WorkerFile(at) => (format!("its worker's file {}", resolved.worker_files[at].0.display()), None),
        };
        let mut text = format!("{name} was changed behind the store's back at {}", self.path.display());
        if let Some(place) = &self.quarantined {
            text.push_str(&format!(" (moved to {})", place.display()));
        }
        (text, producer)
    }
}

/// Why the private directory of a stage could not be prepared.
pub(crate) enum Unprepared {
    /// Something that it reads is gone or damaged.
    Spoiled(Box<SpoiledInput>, StoreError),
    /// Something else went wrong.
    Fault(Fault),
}

impl From<EngineError> for Unprepared {
    fn from(error: EngineError) -> Unprepared {
        Unprepared::Fault(error.into())
    }
}

impl From<Fault> for Unprepared {
    fn from(fault: Fault) -> Unprepared {
        Unprepared::Fault(fault)
    }
}

impl From<Unprepared> for Fault {
    fn from(unprepared: Unprepared) -> Fault {
        match unprepared {
            Unprepared::Spoiled(_, error) => Fault::Engine(EngineError::store(error)),
            Unprepared::Fault(fault) => fault,
        }
    }
}

/// Puts `artifact` where a program will read it.
pub(crate) fn place(
    shared: &Shared,
    source: Source,
    artifact: &Artifact,
    path: &Path,
    placement: Placement,
) -> Result<PlacedInput, StoreError> {
    let placed = shared.store.materialize(artifact, path, placement)?;
    Ok(PlacedInput { source, placed, published: None })
}

/// Looks after `artifact`, the output of a stage that a program reads where it was published.
pub(crate) fn watch(
    shared: &Shared,
    source: Source,
    artifact: &Artifact,
    (producer, port): (StageId, &PortName),
) -> Result<PlacedInput, StoreError> {
    let placed = shared.store.watch(artifact)?;
    let output = shared.plan.graph[producer].outputs.iter().find(|output| output.port == *port);
    let published = output.map(|output| (artifact.clone(), shared.plan.root.join(&output.destination)));
    Ok(PlacedInput { source, placed, published })
}

/// What follows when that did not go: `failed` says whose fault anything but damage is.
pub(crate) fn unplaced(source: Source, error: StoreError, failed: impl FnOnce(StoreError) -> Fault) -> Unprepared {
    match error.kind {
        StoreErrorKind::Missing | StoreErrorKind::Damaged => {
            Unprepared::Spoiled(Box::new(SpoiledInput { source, path: error.path.clone(), quarantined: None }), error)
        }
        _ => Unprepared::Fault(failed(error)),
    }
}

/// The inputs that are no longer what they were when they were placed.
pub(crate) fn spoiled(shared: &Shared, inputs: &[PlacedInput]) -> Result<Vec<SpoiledInput>, EngineError> {
    let mut spoiled = Vec::new();
    for PlacedInput { source, placed, published } in inputs {
        match shared.store.unchanged(placed).map_err(EngineError::store)? {
            Presence::Damaged { path, quarantined } => {
                spoiled.push(SpoiledInput { source: *source, path, quarantined });
                continue;
            }
            Presence::Present | Presence::Missing => {}
        }
        if let Some((artifact, path)) = published
            && !shared.store.is_in_place(artifact, path).map_err(EngineError::store)?
        {
            spoiled.push(SpoiledInput { source: *source, path: path.clone(), quarantined: None });
        }
    }
    Ok(spoiled)
}
