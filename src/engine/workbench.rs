//! A stage as it would be carried out now, with the inputs that earlier records name. Behind `pipe shell`.

use std::sync::Arc;

use super::resolve::{self, Known, Resolved, Sources, Unresolved};
use super::{EngineError, FailureReport, hits, order};
use crate::executor::local::Workbench;
use crate::plan::{Plan, Sandbox, StageId, Work};
use crate::remote::Vault;
use crate::store::{Artifact, Lookup, Placement, Store};

/// Why a directory could not be made.
pub enum NotReady {
    /// These stages must have run before.
    WaitsFor(Vec<StageId>),
    /// The stage has none: it runs at the project root.
    RunsInWorkspace,
    /// These inputs are on the remote only.
    Elsewhere(Vec<Artifact>),
    /// A run would fail here as well.
    Refused(FailureReport),
}

/// Lays out the directory of `stage`, as if `run` carried it out.
pub fn open(
    plan: &Arc<Plan>,
    store: &Arc<Store>,
    stage: StageId,
    run: &str,
    vault: Vault,
) -> Result<Result<Workbench, NotReady>, EngineError> {
    if let Work::Command(command) = &plan.graph[stage].work
        && command.sandbox == Sandbox::Workspace
    {
        return Ok(Err(NotReady::RunsInWorkspace));
    }
    let resolved = match resolve_with_records(plan, store, stage)? {
        Ok(resolved) => resolved,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut away = Vec::new();
    for artifact in &resolved.inputs {
        if store.lacks(artifact).map_err(EngineError::store)? {
            away.push(artifact.clone());
        }
    }
    if !away.is_empty() {
        return Ok(Err(NotReady::Elsewhere(away)));
    }
    let order = order::order(plan, run, (stage, &resolved), None, Placement::Cheapest);
    Ok(Workbench::open(plan, store, &order, vault)?.map_err(NotReady::Refused))
}

/// The stage with the inputs that its producers' records name, or why there is none: producers that have no record, mostly.
fn resolve_with_records(plan: &Plan, store: &Store, stage: StageId) -> Result<Result<Resolved, NotReady>, EngineError> {
    let mut known = Known::new(plan);
    for &earlier in plan.order.iter().take_while(|earlier| **earlier != stage) {
        let Ok(resolved) = resolve::resolve(plan, earlier, &known, store, Sources::Identified)? else { continue };
        match hits::record(store, plan, earlier, &resolved.key)? {
            Lookup::Hit(record) => _ = known.insert(earlier, &record),
            Lookup::Elsewhere(away) => _ = known.insert(earlier, &away.record),
            Lookup::Miss(_) => {}
        }
    }
    let resolved = resolve::resolve(plan, stage, &known, store, Sources::Ingested)?;
    Ok(resolved.map_err(|unresolved| {
        if let Unresolved::Refused(failure) = unresolved {
            return NotReady::Refused(failure);
        }
        let producers = plan.graph.neighbors_directed(stage, petgraph::Direction::Incoming);
        let mut missing: Vec<_> = producers.filter(|producer| !known.has(*producer)).collect();
        missing.sort_unstable();
        NotReady::WaitsFor(missing)
    }))
}
