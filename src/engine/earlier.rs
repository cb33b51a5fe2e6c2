//! Published outputs that are not of this run: those of stages that failed, were skipped or are no longer in the pipeline.
//! They are named, and `--prune` takes them away. Only outputs that we published and nobody touched are ever removed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use contract::Digest;

use super::options::{Earlier, Extent, Publishing};
use super::outcome::{EarlierOutput, EarlierState, StageOutcome, StageReport};
use super::{EngineError, Shared, publishing};
use crate::action::canonical::Encoder;
use crate::spec::StageName;
use crate::store::{Places, PublishedPlace, Summary};

type Published = BTreeMap<PathBuf, PublishedPlace>;

/// Looks for earlier outputs, takes them away where that was asked for, and writes down the places that are published now. `stages`
/// are the reports by position in the plan.
pub(super) fn settle(shared: &Shared, stages: &[StageReport]) -> Result<Vec<EarlierOutput>, EngineError> {
    if shared.options.publishing == Publishing::No || publishing::is_pending(shared) {
        return Ok(Vec::new());
    }
    let places = shared.publisher.places(shared);
    let plan = identify(shared, stages);
    let summary = places.summary();
    if plan.is_some() && summary == plan.map(|plan| Summary { plan, earlier: 0 }) {
        return Ok(Vec::new());
    }
    let former = places.read();
    let (mut published, open) = sort(shared, stages, former.clone());
    let mut earlier = Vec::new();
    for (path, place) in open {
        let Some(output) = look(shared, &places, &path, &place)? else { continue };
        if output.state != EarlierState::Removed {
            published.insert(path, place);
        }
        earlier.push(output);
    }
    let left = earlier.iter().filter(|output| output.state != EarlierState::Removed).count();
    // A plan that is not all there identifies nothing.
    let summary_now = Summary { plan: plan.unwrap_or_else(|| Digest::of(b"")), earlier: left };
    if summary != Some(summary_now) || published != former {
        match shared.store.keep_places(&places, &summary_now, &published) {
            Err(error) if !error.is_read_only() => return Err(EngineError::store(error)),
            _ => {}
        }
    }
    Ok(earlier)
}

/// The digest of a plan and of its outputs, if every output is published.
fn identify(shared: &Shared, stages: &[StageReport]) -> Option<Digest> {
    let up_to_date = |stage: &StageReport| is_current(stage.outcome);
    if shared.options.extent == Extent::Part || !stages.iter().all(up_to_date) {
        return None;
    }
    let mut encoder = Encoder::new("pipe places");
    for (planned, report) in shared.plan.graph.node_weights().zip(stages) {
        for output in &planned.outputs {
            encoder.bytes(output.destination.as_os_str().as_encoded_bytes());
        }
        report.key.iter().for_each(|key| {
            encoder.digest(key.digest());
        });
        report.outputs.values().for_each(|output| {
            encoder.digest(&output.digest);
        });
    }
    Some(encoder.finish())
}

/// Sorts the places into those of this run and those with something else: of stages that gave nothing, and of no stage.
fn sort(shared: &Shared, stages: &[StageReport], mut former: Published) -> (Published, Published) {
    let (mut current, mut open) = (Published::new(), Published::new());
    let mut names = HashSet::new();
    for (planned, report) in shared.plan.graph.node_weights().zip(stages) {
        names.insert(planned.name.as_str());
        for output in &planned.outputs {
            let there = former.remove(&output.destination);
            let given = report.outputs.get(&output.port).filter(|_| is_current(report.outcome));
            match (given, report.key, there) {
                (Some(given), Some(key), _) => {
                    let (stage, digest) = (planned.name.to_string(), given.digest);
                    current.insert(output.destination.clone(), PublishedPlace { stage, key, digest });
                }
                // A run of the stage would give it again.
                (_, Some(key), Some(there)) if there.key == key => {
                    current.insert(output.destination.clone(), there);
                }
                (_, _, Some(there)) => {
                    open.insert(output.destination.clone(), there);
                }
                (_, _, None) => {}
            }
        }
    }
    // Where only a part of the pipeline was asked for, nothing is known of the rest.
    for (path, there) in former {
        if shared.options.extent == Extent::Whole || names.contains(there.stage.as_str()) {
            open.insert(path, there);
        } else {
            current.insert(path, there);
        }
    }
    (current, open)
}

fn is_current(outcome: StageOutcome) -> bool {
    matches!(outcome, StageOutcome::Ran | StageOutcome::Hit | StageOutcome::Restored)
}

/// The state of an earlier output; `None` when nothing lies there, or something of another pipeline.
fn look(
    shared: &Shared,
    places: &Places,
    path: &Path,
    place: &PublishedPlace,
) -> Result<Option<EarlierOutput>, EngineError> {
    let full = shared.plan.root.join(path);
    if std::fs::symlink_metadata(&full).is_err() || inside_current(shared, path) {
        return Ok(None);
    }
    let found = shared.store.published_here(&full).map_err(EngineError::store)?;
    if found.is_some_and(|found| places.is_of_another(path, &found)) {
        return Ok(None);
    }
    let state = match (found, shared.options.earlier) {
        (None, _) => EarlierState::Changed,
        (Some(_), Earlier::Keep) => EarlierState::Untouched,
        (Some(_), Earlier::Prune) => {
            let first = path.components().next().map_or(PathBuf::new(), |first| shared.plan.root.join(first));
            let gone = shared.store.unpublish(&full, &first).map_err(EngineError::store)?;
            if gone { EarlierState::Removed } else { EarlierState::Changed }
        }
    };
    let stage = StageName::new(place.stage.as_str());
    Ok(Some(EarlierOutput { path: path.to_owned(), stage, digest: place.digest, state }))
}

/// Whether the place lies within an output of the plan, or has one in it: then it is no longer a place of its own.
fn inside_current(shared: &Shared, path: &Path) -> bool {
    let outputs = shared.plan.graph.node_weights().flat_map(|stage| &stage.outputs);
    let mut others = outputs.map(|output| &output.destination).filter(|destination| *destination != path);
    others.any(|destination| destination.starts_with(path) || path.starts_with(destination))
}
