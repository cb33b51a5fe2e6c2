//! The places beyond this machine: each has a lane of its own, whose policy is a plain limit.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::engine::Shared;
use crate::engine::lane::LaneId;
use crate::executor::Executor;
use crate::executor::remote::{Allowance, RemoteExecutor};
use crate::plan::{BackendName, StageId};

/// The places of a run.
pub(super) struct Elsewhere {
    names: BTreeMap<String, LaneId>,
    places: Vec<Place>,
}

struct Place {
    name: String,
    executor: Rc<dyn Executor>,
    running: usize,
    most: usize,
}

impl Elsewhere {
    /// The places that the settings name. Nothing is opened before a stage runs there.
    pub(super) fn new(shared: &Shared) -> Elsewhere {
        let (mut names, mut places) = (BTreeMap::new(), Vec::new());
        let allowance = shared.options.max_cost.map(|most| Arc::new(Allowance::new(most)));
        for (name, place) in &shared.options.elsewhere {
            let executor = RemoteExecutor::new(name, place.clone(), &shared.store, &shared.plan, allowance.clone());
            // The first lane is this machine's.
            names.insert(name.clone(), LaneId(places.len() + 1));
            let (executor, most) = (Rc::new(executor) as Rc<dyn Executor>, place.at_once);
            places.push(Place { name: name.clone(), executor, running: 0, most });
        }
        Elsewhere { names, places }
    }

    /// The lane of a backend that is not this machine.
    pub(super) fn lane(&self, backend: &BackendName) -> Option<LaneId> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(backend.as_str()).copied()
    }

    /// Why no further stage starts there now.
    pub(super) fn obstacle(&self, lane: LaneId) -> Option<String> {
        let place = self.place(lane)?;
        (place.running >= place.most).then(|| format!("`{}` runs {} at once", place.name, place.most))
    }

    /// A stage starts there. Returns who carries it out.
    pub(super) fn started(&mut self, lane: LaneId) -> Option<Rc<dyn Executor>> {
        let place = self.places.get_mut(lane.0.checked_sub(1)?)?;
        place.running += 1;
        Some(Rc::clone(&place.executor))
    }

    /// A stage has ended there.
    pub(super) fn ended(&mut self, lane: LaneId) {
        if let Some(place) = lane.0.checked_sub(1).and_then(|at| self.places.get_mut(at)) {
            place.running = place.running.saturating_sub(1);
        }
    }

    fn place(&self, lane: LaneId) -> Option<&Place> {
        self.places.get(lane.0.checked_sub(1)?)
    }
}

/// Whether a stage runs beyond this machine.
pub(super) fn is_elsewhere(shared: &Shared, stage: StageId) -> bool {
    let elsewhere = &shared.options.elsewhere;
    !elsewhere.is_empty() && elsewhere.contains_key(shared.plan.graph[stage].backend.as_str())
}
