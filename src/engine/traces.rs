//! Traces of artifacts in past runs: where each was published, when it was last used, and the last actions of a pipeline.
//!
//! Read from reports, by the fields needed here, so that reports of other versions of the engine serve too. A run whose report
//! cannot be read tells nothing.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::Digest;
use indexmap::IndexMap;
use serde::Deserialize;

use super::history::{self, JOURNAL, OpenRun};
use super::intact;
use crate::action::ActionKey;
use crate::store::{Store, StoreError, is_run};

/// The trace of a run.
#[derive(Debug)]
pub struct Trace {
    /// Its id.
    pub run: String,
    /// The project root it worked in, where that was noted.
    pub workspace: Option<PathBuf>,
    /// Its report.
    pub report: TracedReport,
}

/// The part of a report that is needed here.
#[derive(Debug, Deserialize)]
pub struct TracedReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// Unix seconds.
    pub started_at: u64,
    /// By name.
    pub stages: IndexMap<String, TracedStage>,
}

/// A stage in a report.
#[derive(Debug, Deserialize)]
pub struct TracedStage {
    /// Its key, where it had one.
    pub key: Option<ActionKey>,
    /// By port.
    pub outputs: BTreeMap<String, TracedOutput>,
}

/// An output in a report.
#[derive(Debug, Deserialize)]
pub struct TracedOutput {
    /// Relative to the project root.
    pub path: PathBuf,
    /// Its digest.
    pub digest: Digest,
}

/// The traces of all finished runs, newest first.
pub fn traces(store: &Store) -> Vec<Trace> {
    let trace = |run: String| {
        let report = history::read(&store.run_dir(&run), &run)?;
        Some(Trace { workspace: store.workspace_of(&run).ok().flatten(), report, run })
    };
    runs(store).into_iter().rev().filter_map(trace).collect()
}

/// The newest trace of each pipeline in each workspace that still exists.
pub fn newest(traces: &[Trace]) -> impl Iterator<Item = &Trace> {
    let mut seen = HashSet::new();
    traces.iter().filter(move |trace| {
        let exists = trace.workspace.as_ref().is_none_or(|root| root.is_dir());
        exists && seen.insert((&trace.workspace, &trace.report.pipeline))
    })
}

/// Where the artifact was published, as far as runs tell.
pub fn published<'a>(traces: &'a [Trace], digest: &'a Digest) -> impl Iterator<Item = PathBuf> + 'a {
    traces.iter().flat_map(move |trace| {
        let outputs = trace.report.stages.values().flat_map(|stage| stage.outputs.values());
        let root = trace.workspace.as_ref();
        outputs.filter(move |output| output.digest == *digest).filter_map(move |output| Some(root?.join(&output.path)))
    })
}

/// The one of `places` that is the damaged file: the same inode, which was written through that name. `object` is where the store
/// had the artifact, `found` the damaged file in it, and `quarantined` where the whole of it is now.
pub fn culprit(
    places: impl IntoIterator<Item = PathBuf>,
    object: &Path,
    found: &Path,
    quarantined: Option<&Path>,
) -> Option<PathBuf> {
    let inner = found.strip_prefix(object).ok().filter(|inner| !inner.as_os_str().is_empty());
    let within = |base: &Path| inner.map_or_else(|| base.to_owned(), |inner| base.join(inner));
    let damaged = std::fs::symlink_metadata(within(quarantined.unwrap_or(object))).ok()?;
    places.into_iter().map(|place| within(&place)).find(|place| {
        std::fs::symlink_metadata(place).is_ok_and(|it| (it.dev(), it.ino()) == (damaged.dev(), damaged.ino()))
    })
}

/// Removes the directories of old runs, but for the newest `keep`, those that go on, and the newest of each pipeline in each
/// workspace, which tell the objects that may not be collected. A tenth more are let stand, so that this is not done every time.
pub fn prune(store: &Store, keep: u32) -> Result<u64, StoreError> {
    let keep = keep as usize;
    let mut ids = runs(store);
    // A directory of another name is not ours to remove.
    ids.retain(|run| is_run(run));
    if ids.len() <= keep + keep / 10 {
        return Ok(0);
    }
    let traces = traces(store);
    let needed: HashSet<&str> = newest(&traces).map(|trace| trace.run.as_str()).collect();
    let mut removed = 0;
    for run in &ids[..ids.len() - keep] {
        // Of one that is damaged nobody knows whether it is the newest of a pipeline.
        if !needed.contains(run.as_str()) && !goes_on(store, run) && intact::roots(store, run)?.is_empty() {
            store.remove_run(run)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Run ids, oldest first: they begin with the time.
pub(super) fn runs(store: &Store) -> Vec<String> {
    let entries = std::fs::read_dir(store.runs_dir()).into_iter().flatten().flatten();
    let mut runs: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // Anything else that somebody put there is no run, and must not be removed as an old one.
    runs.retain(|run| run.starts_with(|first: char| first.is_ascii_digit()));
    runs.sort_unstable();
    runs
}

fn goes_on(store: &Store, run: &str) -> bool {
    history::open_state(&store.run_dir(run).join(JOURNAL)) == OpenRun::Running
}
