//! This machine as a place: the governor is the policy of its lane, its GPUs are slots, and the probe looks at it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use super::elsewhere::is_elsewhere;
use crate::engine::gpus::Gpus;
use crate::engine::lane::{LaneId, Obstacle};
use crate::engine::{EngineError, Options, Shared};
use crate::executor::Programs;
use crate::executor::local::LocalExecutor;
use crate::governor::{self, Admission, Decision, Governor, Probe, Reason, Request};
use crate::plan::StageId;

/// This machine.
pub(super) struct LocalPlace {
    pub executor: Rc<LocalExecutor>,
    pub governor: Governor,
    pub gpus: Gpus,
    probe: Box<dyn Probe>,
    /// How often the machine is looked at.
    pub look_every: Duration,
    /// The governor's last reason to wait; said once.
    said: Option<Reason>,
}

impl LocalPlace {
    /// Its lane.
    pub(super) const LANE: LaneId = LaneId(0);

    /// This machine for a run that has `open` stages to execute.
    pub(super) fn start(shared: &Shared, open: &[StageId]) -> Result<LocalPlace, EngineError> {
        let Options { run, failed_work, jobs, limits, vault, .. } = &shared.options;
        let started_with = (Programs::Beside, vault.clone());
        let executor = LocalExecutor::start(&shared.plan, &shared.store, run, *failed_work, started_with)?;
        let (probe, look_every) = governor::probe();
        // Looking for GPUs costs something, and most plans want none.
        let open: Vec<StageId> = open.iter().copied().filter(|stage| !is_elsewhere(shared, *stage)).collect();
        let wants_gpus = open.iter().any(|stage| shared.plan.graph[*stage].resources.gpus > 0);
        Ok(LocalPlace {
            executor: Rc::new(executor),
            governor: Governor::new(*jobs, open.len(), *limits),
            gpus: Gpus::new(if wants_gpus { governor::gpus() } else { Vec::new() }),
            probe,
            look_every,
            said: None,
        })
    }

    /// Why a stage that wants this does not start now. `idle` is whether nothing runs here: then one stage always moves.
    pub(super) fn obstacle(&self, request: &Request, gpus: usize, idle: bool) -> Option<Obstacle> {
        if let Some(reason) = self.gpus_missing(gpus, idle) {
            return Some(Obstacle::Own(reason));
        }
        match self.governor.admit(request) {
            Admission::Now => None,
            Admission::Wait(reason) => Some(Obstacle::Lane(reason)),
        }
    }

    /// Why `wanted` GPUs are not available now. Where nothing of ours runs, use by others is no reason.
    fn gpus_missing(&self, wanted: usize, idle: bool) -> Option<String> {
        let free = if idle { self.gpus.not_held() } else { self.gpus.free() };
        if wanted <= free {
            return None;
        }
        let mut reason = format!("wants {wanted} GPUs, {free} of {} are free", self.gpus.count());
        for (name, memory) in self.gpus.filled_by_others() {
            let _ = write!(reason, "; GPU {name} is used by others: {memory}");
        }
        Some(reason)
    }

    /// A stage starts. Returns the GPUs that it is shown.
    pub(super) fn started(&mut self, stage: StageId, request: Request, gpus: usize) -> Option<String> {
        self.said = None;
        self.governor.started(stage.index() as u64, request);
        self.gpus.take(stage, gpus);
        self.gpus.visible_to(stage)
    }

    /// A stage has ended.
    pub(super) fn ended(&mut self, stage: StageId) {
        self.governor.ended(stage.index() as u64);
        self.gpus.give_back(stage);
    }

    /// Whether that reason was not given yet.
    pub(super) fn says(&mut self, reason: Reason) -> bool {
        let new = !self.said.as_ref().is_some_and(|said| said.is_like(&reason));
        if new {
            self.said = Some(reason);
        }
        new
    }

    /// Looks at the machine. `running` are the stages that run on it, by name.
    pub(super) fn look(&mut self, running: &[(StageId, &str)]) -> Vec<Decision> {
        let sample = self.probe.sample();
        let cores = self.probe.cores_of(&self.executor.groups());
        let cores: BTreeMap<u64, f64> =
            running.iter().filter_map(|(stage, name)| Some((stage.index() as u64, *cores.get(*name)?))).collect();
        self.governor.saw(&cores);
        self.governor.observe(&sample)
    }

    /// Where stages want GPUs, sees which of them others have filled. Returns whether another number may be had now.
    pub(super) fn look_at_gpus(&mut self, limits: governor::Limits) -> bool {
        self.gpus.count() > 0 && {
            let memory = self.probe.gpu_memory(self.gpus.names());
            self.gpus.observe(&memory, limits)
        }
    }
}
