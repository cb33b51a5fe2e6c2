//! The places where symbolic links may not lead while a plan is carried out. The plan was checked against the links that it met; here
//! links are checked that were made since, and links inside directories that are read.

use std::path::{Path, PathBuf};

use crate::plan::links::{Links, real};
use crate::plan::{Plan, PlannedOutput, SecretSource};
use crate::store::{Store, StoreError, StoreErrorKind};

/// Refuses to write at the place of `output` where a link that the plan does not know leads out of the project, into the store or to
/// an output of another stage.
pub(super) fn writing(plan: &Plan, store: &Store, output: &PlannedOutput) -> Result<(), StoreError> {
    let links = Links::new(&plan.root);
    let place = links.written(&output.destination);
    let why = if !place.starts_with(links.root()) {
        "outside of the project".to_owned()
    } else if links.followed().is_empty() {
        return Ok(());
    } else if place.starts_with(real(store.root())) {
        "in the store".to_owned()
    } else if links.followed().iter().all(|(link, to)| plan.links.get(link) == Some(to)) {
        return Ok(());
    } else {
        let others = outputs(plan, &links).filter(|(other, ..)| !std::ptr::eq(*other, output));
        match others.into_iter().find(|(_, other, _)| nested(other, &place)) {
            Some((_, _, whose)) => whose,
            None => return Ok(()),
        }
    };
    let kind = StoreErrorKind::LeadsAway { to: place, why };
    Err(StoreError { path: plan.root.join(&output.destination), kind })
}

/// Places that no link in an input directory may be followed to, each with its description.
pub(super) fn off_limits(plan: &Plan, store: &Store) -> Vec<(PathBuf, String)> {
    let links = Links::new(&plan.root);
    let mut places = vec![(real(store.root()), "where the store is".to_owned())];
    places.extend(outputs(plan, &links).map(|(_, place, whose)| (place, whose)));
    for secret in plan.graph.node_weights().flat_map(|stage| &stage.conduct.secrets) {
        if let SecretSource::File(file) = &secret.source {
            places.push((links.read(file).place, format!("where the secret `{}` is", secret.secret)));
        }
    }
    places
}

/// Why a link may not be followed to `place`.
pub(super) fn refusal(off_limits: &[(PathBuf, String)], place: &Path) -> Option<String> {
    off_limits.iter().find(|(other, _)| nested(other, place)).map(|(_, what)| what.clone())
}

/// Every output with its place and whose it is.
fn outputs<'p>(plan: &'p Plan, links: &'p Links) -> impl Iterator<Item = (&'p PlannedOutput, PathBuf, String)> + 'p {
    plan.graph.node_weights().flat_map(move |stage| {
        stage.outputs.iter().map(move |output| {
            let whose = format!("where stage `{}` writes", stage.name);
            (output, links.written(&output.destination), whose)
        })
    })
}

/// Whether one of two places is or lies in the other.
fn nested(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
