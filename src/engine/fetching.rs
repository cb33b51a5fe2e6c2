//! Brings the records of a plan from a remote: for `pipe cache pull`, and for a run that shares, before it executes anything.
//!
//! The key of a stage is known when its inputs are, so this goes in rounds: each round asks at once for all stages that can be resolved and
//! have no record here, and the records that came allow further stages to be resolved.

use std::collections::{BTreeMap, HashSet};

use contract::types::Form;

use super::EngineError;
use super::hits;
use super::resolve::{self, Known, Sources};
use super::wanted::{Wanted, wanted};
use crate::action::ActionKey;
use crate::plan::{Plan, PlannedOutput, PlannedStage, StageId};
use crate::remote::{Extent, Meter, Pulled, Refused, Remote, TransferError, Wanted as WantedRecord};
use crate::store::{Lookup, Store};

/// The outcome of fetching a plan.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Stages whose results were in the local store.
    pub here: Vec<StageId>,
    /// Stages whose results came.
    pub came: Vec<StageId>,
    /// Stages of which the remote has nothing.
    pub absent: Vec<StageId>,
    /// Stages of which the remote has something that cannot be used.
    pub refused: Vec<(StageId, Refused)>,
    /// The keys that the remote was asked for.
    pub asked: Vec<ActionKey>,
}

/// Why fetching a plan ended early.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Something on the way from the remote to the store.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Something here.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Brings from `remote`, up to `extent`, the results of those stages of `plan` that `known` does not cover and `open` admits.
pub fn fetch(
    plan: &Plan,
    store: &Store,
    remote: &Remote,
    mut known: Known,
    open: &dyn Fn(StageId) -> bool,
    extent: Extent,
    (meter, watch): (&Meter, &mut dyn FnMut(&Meter)),
) -> Result<Fetched, FetchError> {
    let mut fetched = Fetched::default();
    let mut asked = HashSet::new();
    loop {
        let mut missed: Vec<(StageId, WantedRecord)> = Vec::new();
        for &stage in &plan.order {
            if known.is_settled(stage) || asked.contains(&stage) || !open(stage) {
                continue;
            }
            match wanted(plan, stage, &known) {
                Wanted::Yes => {}
                Wanted::No(_) => {
                    known.skip(stage);
                    continue;
                }
                Wanted::NotYet(_) | Wanted::Never(_) => continue,
            }
            let Ok(resolved) = resolve::resolve(plan, stage, &known, store, Sources::Identified)? else { continue };
            match hits::record(store, plan, stage, &resolved.key)? {
                Lookup::Hit(record) => {
                    known.insert(stage, &record);
                    fetched.here.push(stage);
                }
                // Its record is here, and that suffices.
                Lookup::Elsewhere(away) if extent == Extent::Record => {
                    known.insert(stage, &away.record);
                    fetched.here.push(stage);
                }
                Lookup::Elsewhere(_) | Lookup::Miss(_) => {
                    missed.push((stage, wanted_record(&plan.graph[stage], resolved.key)))
                }
            }
        }
        if missed.is_empty() {
            return Ok(fetched);
        }
        asked.extend(missed.iter().map(|(stage, _)| *stage));
        fetched.asked.extend(missed.iter().map(|(_, wanted)| wanted.key));
        let (stages, records): (Vec<_>, Vec<_>) = missed.into_iter().unzip();
        for (stage, pulled) in stages.into_iter().zip(remote.bring(store, (&records, extent), meter, watch)?) {
            match pulled {
                Pulled::Here(record) => {
                    known.insert(stage, &record);
                    fetched.came.push(stage);
                }
                Pulled::Absent => fetched.absent.push(stage),
                Pulled::Refused(why) => fetched.refused.push((stage, why)),
            }
        }
    }
}

/// The key and the outputs that the record of a stage must have.
pub(super) fn wanted_record(stage: &PlannedStage, key: ActionKey) -> WantedRecord {
    let port = |output: &PlannedOutput| (output.port.as_str().to_owned(), output.artifact.form());
    WantedRecord { key, ports: stage.outputs.iter().map(port).collect::<BTreeMap<String, Form>>() }
}
