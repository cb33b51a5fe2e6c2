//! Inputs that are not, or did not stay, as the action's key names them: somebody wrote into the store's own files. The action's outputs
//! are then not recorded; its inputs are made anew, and the stage runs again.

use std::path::{Path, PathBuf};

use super::place::Site;
use crate::executor::fault::Fault;
use crate::executor::{ExecutorError, Order, Source, SpoiledInput};
use crate::store::{Artifact, Placed, Presence, StoreError, StoreErrorKind};

/// Something that an action reads, as it was placed for it.
#[derive(Debug)]
pub(super) struct PlacedInput {
    pub source: Source,
    pub placed: Placed,
    /// Where the action reads it, when that is the place where it was published.
    pub published: Option<(Artifact, PathBuf)>,
}

/// Why the private directory of an action could not be prepared.
pub(super) enum Unprepared {
    /// Something that it reads is gone or damaged.
    Spoiled(SpoiledInput, StoreError),
    /// Something else went wrong.
    Fault(Fault),
}

impl From<ExecutorError> for Unprepared {
    fn from(error: ExecutorError) -> Unprepared {
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
            Unprepared::Spoiled(_, error) => Fault::Place(error.into()),
            Unprepared::Fault(fault) => fault,
        }
    }
}

/// Puts `artifact` where a program will read it.
pub(super) fn place(
    site: &Site,
    order: &Order,
    (source, artifact): (Source, &Artifact),
    path: &Path,
) -> Result<PlacedInput, StoreError> {
    let placed = site.store.materialize(artifact, path, order.placement)?;
    Ok(PlacedInput { source, placed, published: None })
}

/// Looks after `artifact`, the output of a stage that a program reads where it was `published`.
pub(super) fn watch(
    site: &Site,
    (source, artifact): (Source, &Artifact),
    published: &Path,
) -> Result<PlacedInput, StoreError> {
    let placed = site.store.watch(artifact)?;
    Ok(PlacedInput { source, placed, published: Some((artifact.clone(), site.plan.root.join(published))) })
}

/// The result when an input could not be placed: `failed` says whose fault anything but damage is.
pub(super) fn unplaced(
    order: &Order,
    source: Source,
    error: StoreError,
    failed: impl FnOnce(StoreError) -> Fault,
) -> Unprepared {
    match error.kind {
        StoreErrorKind::Missing | StoreErrorKind::Damaged => {
            Unprepared::Spoiled(describe(order, source, &error.path, None), error)
        }
        _ => Unprepared::Fault(failed(error)),
    }
}

/// The inputs that have changed since they were placed.
pub(super) fn spoiled(site: &Site, order: &Order, inputs: &[PlacedInput]) -> Result<Vec<SpoiledInput>, ExecutorError> {
    let mut spoiled = Vec::new();
    for PlacedInput { source, placed, published } in inputs {
        match site.store.unchanged(placed)? {
            Presence::Damaged { path, quarantined } => {
                spoiled.push(describe(order, *source, &path, quarantined.as_deref()));
                continue;
            }
            Presence::Present | Presence::Missing => {}
        }
        if let Some((artifact, path)) = published
            && !site.store.is_in_place(artifact, path)?
        {
            spoiled.push(describe(order, *source, path, None));
        }
    }
    Ok(spoiled)
}

/// Says which input is damaged, where that was found and where it was moved.
fn describe(order: &Order, source: Source, path: &Path, quarantined: Option<&Path>) -> SpoiledInput {
    let name = match source {
        Source::Input(at) => format!("its input `{}`", order.inputs[at].port),
        Source::WorkerFile(at) => format!("its worker's file {}", order.worker.files()[at].0.display()),
    };
    let mut description = format!("{name} was changed behind the store's back at {}", path.display());
    if let Some(place) = quarantined {
        description.push_str(&format!(" (moved to {})", place.display()));
    }
    SpoiledInput { source, description }
}
