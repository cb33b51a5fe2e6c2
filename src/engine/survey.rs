//! Finds failures of stages before they run, as far as that is possible without running or storing anything: behind `pipe check`. In a
//! run each of these is the failure of one stage, and others go on.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use contract::foresight::Answer;
use contract::{FailureClass, Worker};
use rustix::fs::{Access, AtFlags, CWD};

use super::forecast::forecast;
use super::{bounds, foresight};
use crate::executor::Device;
use crate::executor::fault::shortened;
use crate::executor::remote::RemotePlace;
use crate::executor::remote::bundle::{computes_on_processors, stays_here};
use crate::plan::{BackendName, InputSource, Plan, PlannedStage, Work};
use crate::spec::{LinkRule, Problem, Sources, Span};
use crate::store::{LinksIn, Store, StoreErrorKind};

/// The problems of the files that the stages of `plan` read, of the places where they write, and of workers that are to run on one of the
/// backends `elsewhere`. `sources` are the files that the plan was made from.
pub fn problems(plan: &Plan, store: &Store, elsewhere: &BTreeSet<BackendName>, sources: &Sources) -> Vec<Problem> {
    let mut problems = Vec::new();
    let off_limits = bounds::off_limits(plan, store);
    // Instances of a matrix mostly read the same.
    let mut seen = HashSet::new();
    for stage in plan.graph.node_weights() {
        problems.extend(staying_worker(stage, elsewhere, sources));
        for input in &stage.inputs {
            let InputSource::Path(path) = &input.source else { continue };
            let refuses = |place: &Path| bounds::refusal(&off_limits, place);
            let links = match input.links {
                LinkRule::Keep => LinksIn::Kept,
                LinkRule::Follow => LinksIn::Followed(&refuses),
            };
            let span = place(stage, "in", input.port.as_str(), sources);
            if !seen.insert((span, path)) {
                continue;
            }
            let Err(error) = store.survey(&plan.root.join(path), input.artifact.form(), links) else { continue };
            let inside = shortened(&error.path.strip_prefix(&plan.root).unwrap_or(&error.path).to_string_lossy());
            let message = format!("input `{}` cannot be read: {inside}: {}", input.port, error.kind);
            let help = matches!(error.kind, StoreErrorKind::EscapingLink { .. })
                .then(|| format!("write {{path: {}, follow: true}} to read what links point at", path.display()));
            problems.push(at(span, "unreadable-input", message).maybe_help(help));
        }
        for output in &stage.outputs {
            let Some((above, why)) = obstacle(&plan.root, &output.destination) else { continue };
            let place = place(stage, "out", output.port.as_str(), sources);
            let message = format!(
                "output `{}` cannot be put at {}: {} {why}",
                output.port,
                output.destination.display(),
                above.display()
            );
            problems.push(at(place, "blocked-output", message).help("give it another path, or make room there"));
        }
    }
    problems.sort_by_key(|problem| problem.span);
    problems.dedup_by(|one, other| one.span == other.span && one.message == other.message);
    problems
}

/// The failures that kinds foresee of stages whose results are not there yet.
pub fn foreseen(
    plan: &Plan,
    store: &Store,
    elsewhere: &BTreeMap<String, RemotePlace>,
    sources: &Sources,
) -> Vec<Problem> {
    // Whatever prevents a look into the store is told by those verbs that need it.
    let Ok(forecasts) = foresight::is_any(plan).then(|| forecast(plan, store)).transpose() else { return Vec::new() };
    let foreseen = forecasts.map(|forecasts| foresight::of_plan(plan, store, &forecasts, elsewhere));
    let refused = foreseen.iter().flatten().filter_map(|(stage, answer)| match answer {
        Answer::Refused { class: FailureClass::InvalidInput, message, help } => {
            let stage = &plan.graph[*stage];
            let message = format!("`{}` would fail: {message}", stage.name);
            Some(at(place(stage, "uses", "", sources), "foreseen-failure", message).maybe_help(help.clone()))
        }
        _ => None,
    });
    let mut problems: Vec<Problem> = refused.collect();
    problems.sort_by_key(|problem| problem.span);
    problems
}

/// The worker of a stage that runs elsewhere and whose program stays here, or is of no use there.
fn staying_worker(stage: &PlannedStage, elsewhere: &BTreeSet<BackendName>, sources: &Sources) -> Option<Problem> {
    let Work::Card { card, .. } = &stage.work else { return None };
    let Worker::Program(name) = &card.worker else { return None };
    let place = elsewhere.get(&stage.backend)?;
    let for_gpus = || (Device::wanted(&stage.resources) == Device::Gpu).then(|| computes_on_processors(name)).flatten();
    let told = stays_here(name).map(|failure| ("stays-here", failure));
    let (code, failure) = told.or_else(|| for_gpus().map(|failure| ("not-for-gpus", failure)))?;
    let message = format!("`{}` runs on `{}`, and {}", stage.name, place.as_str(), failure.message);
    Some(at(self::place(stage, "uses", "", sources), code, message).maybe_help(failure.help))
}

/// The path that prevents making something at `destination`, and why.
fn obstacle(root: &Path, destination: &Path) -> Option<(PathBuf, &'static str)> {
    let above = destination.ancestors().skip(1).find(|above| root.join(above).symlink_metadata().is_ok())?;
    // A checkout that cannot be written at all says nothing of its pipelines: they may run elsewhere.
    if above.as_os_str().is_empty() {
        return None;
    }
    let (full, shown) = (root.join(above), above.to_owned());
    if !full.is_dir() {
        return Some((shown, "is not a directory"));
    }
    let writable = rustix::fs::accessat(CWD, &full, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    writable.is_err().then_some((shown, "cannot be written to"))
}

/// Where a port of `stage` was written, or the stage itself.
fn place(stage: &PlannedStage, side: &str, port: &str, sources: &Sources) -> Option<Span> {
    match stage.places.get(&format!("{side}.{port}")) {
        Some(location) => sources.span(location, port.len()),
        None => {
            let name = stage.name.as_str().split('[').next().unwrap_or_default();
            sources.span(&stage.location, name.rsplit('/').next().unwrap_or_default().len())
        }
    }
}

fn at(span: Option<Span>, code: &'static str, message: String) -> Problem {
    match span {
        Some(span) => Problem::at(code, span, message).label("would fail here"),
        None => Problem::general(code, message),
    }
}
