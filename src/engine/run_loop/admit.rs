//! Who starts now. A ready stage is resolved and looked up; a hit (early cutoff) costs no admission, a miss is held until there is
//! room for it in the lane of its place (`engine/lane`).

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use contract::FailureClass;
use petgraph::Direction;
use tokio::sync::watch;

use super::local::LocalPlace;
use super::{Ended, RunLoop, Running};
use crate::engine::execute::Attempt;
use crate::engine::hits::Found;
use crate::engine::lane::{LaneId, Obstacle, Pass};
use crate::engine::learned::Learned;
use crate::engine::resolve::{self, Sources, Unresolved};
use crate::engine::standing::{Candidate, Rank};
use crate::engine::wanted::{Wanted, wanted};
use crate::engine::{EngineError, FailureReport, GovernorDecision, Publishing, RunEvent, fault, hits, publishing};
use crate::executor::{Cancel, Control, Executor};
use crate::governor::{Reason, Request};
use crate::plan::{Plan, Sandbox, StageId, Work};

impl RunLoop<'_> {
    /// Starts every stage that may start now.
    pub(super) fn admit(&mut self) -> Result<(), EngineError> {
        if !std::mem::take(&mut self.stirred) {
            return Ok(());
        }
        let mut pass = Pass::default();
        while self.cancel == Cancel::No {
            let Some(rank) = self.next_candidate(&pass)? else { break };
            if self.learn() {
                pass = Pass::default();
                continue;
            }
            match self.obstacle(rank.1) {
                None => self.start(rank.1),
                Some(Obstacle::Own(reason)) => {
                    self.say_waiting(rank.1, reason);
                    pass.pass_over(rank);
                }
                Some(Obstacle::Lane(reason)) => {
                    self.say_once(rank.1, reason);
                    pass.close(self.lane(rank.1));
                }
                Some(Obstacle::Place(reason)) => {
                    self.say_waiting(rank.1, reason);
                    pass.close(self.lane(rank.1));
                }
            }
        }
        Ok(())
    }

    /// Orders stages by their earlier times, when the order first matters: several could start. That is never so in a chain, nor while
    /// a change stops at hits, and reading a record for each stage would cost more than all the rest.
    fn learn(&mut self) -> bool {
        if self.learned.is_some() || self.standings.startable() < 2 {
            return false;
        }
        let plan = &self.shared.plan;
        let learned = Learned::of(plan, &self.shared.store, self.standings.unfinished());
        self.standings.weigh(&plan.order, |stage| learned.seconds(stage));
        self.learned = Some(learned);
        let running = self.standings.running().map(|(stage, _)| stage);
        let running: Vec<StageId> = running.filter(|stage| self.lane(*stage) == LocalPlace::LANE).collect();
        for stage in running {
            self.local.governor.started(stage.index() as u64, self.request(stage));
        }
        true
    }

    /// The first stage of this pass that must be executed. Hits on the way are settled.
    fn next_candidate(&mut self, pass: &Pass) -> Result<Option<Rank>, EngineError> {
        loop {
            // Each of these may be a hit whose files are large; the request to stop waits in the loop.
            if self.interrupt.asked() {
                return Ok(None);
            }
            match pass.next(&self.standings, |stage| self.lane(stage)) {
                Some(Candidate::Ready(stage)) => {
                    if self.take(stage)? {
                        return Ok(Some(self.standings.rank(stage)));
                    }
                }
                Some(Candidate::Held(rank)) => return Ok(Some(rank)),
                None => return Ok(None),
            }
        }
    }

    /// Takes a ready stage: settles it when it is not wanted or a hit, holds it otherwise. Returns whether it is held.
    fn take(&mut self, stage: StageId) -> Result<bool, EngineError> {
        let begun = Instant::now();
        let shared = Arc::clone(self.shared);
        match wanted(&shared.plan, stage, &self.known) {
            Wanted::Yes => {}
            Wanted::No(cause) => {
                self.skip(stage, cause);
                return Ok(false);
            }
            Wanted::Never(failure) => {
                self.refuse(stage, failure);
                return Ok(false);
            }
            Wanted::NotYet(producer) => return Err(EngineError::unready(&shared.plan, stage, producer)),
        }
        // Every producer of a ready stage is done, so its inputs are known; to go on without it would look like success.
        let resolved = match resolve::resolve(&shared.plan, stage, &self.known, &shared.store, Sources::Ingested)? {
            Ok(resolved) => resolved,
            Err(Unresolved::WaitsFor(producer)) => return Err(EngineError::unready(&shared.plan, stage, producer)),
            Err(Unresolved::Refused(failure)) => {
                self.refuse(stage, failure);
                return Ok(false);
            }
        };
        self.tally.resolved(stage, &resolved);
        // What must be fetched first is held and looked up again by its attempt: the loop does not wait for a remote.
        if let Some(Found { record, away }) = hits::look_up(&shared, stage, &resolved, self.observer)?
            && publishing::needed(&shared, stage, &away).is_empty()
        {
            match fault::split(hits::restore(&shared, stage, &record, self.observer))? {
                Ok(outcome) => {
                    self.settle(stage, outcome, &record, begun.elapsed().as_secs_f64());
                    self.tally.away(stage, &away);
                }
                Err(failure) => self.refuse(stage, failure),
            }
            return Ok(false);
        }
        if let Some(failure) = self.lack_of_gpus(stage) {
            self.refuse(stage, failure);
            return Ok(false);
        }
        if let Some(failure) = self.needs_workspace(stage) {
            self.refuse(stage, failure);
            return Ok(false);
        }
        if let Err(first) = self.standings.claim(stage, resolved.key, Arc::new(resolved)) {
            let reason = format!("`{}` does the same just now", self.stage(first).name);
            self.observer.on(&RunEvent::StageWaiting { stage: self.stage(stage).name.clone(), reason });
            return Ok(false);
        }
        self.stirred = true;
        Ok(true)
    }

    /// Fails stages that want more GPUs than there are, before anything long runs. A stage that ran before may yet be a hit, and one
    /// with a condition before it may yet be skipped: those are judged when they are ready.
    pub(super) fn refuse_hopeless(&mut self) {
        let open: Vec<StageId> = self.standings.unfinished().collect();
        for stage in open {
            let Some(failure) = self.lack_of_gpus(stage) else { continue };
            let name = self.stage(stage).name.as_str();
            let ran_before = self.shared.store.last(self.shared.plan.pipeline.as_str(), name).is_some();
            if !ran_before && !depends_on_a_condition(&self.shared.plan, stage) && self.standings.is_open(stage) {
                self.refuse(stage, failure);
            }
        }
    }

    /// A command that runs in the workspace reads inputs that were published there, and writes there itself.
    fn needs_workspace(&self, stage: StageId) -> Option<FailureReport> {
        let needs = matches!(&self.stage(stage).work, Work::Command(command) if command.sandbox == Sandbox::Workspace);
        (needs && self.shared.options.publishing == Publishing::No).then(|| FailureReport {
            class: FailureClass::InvalidInput,
            message: "writes into the workspace itself (`sandbox: false`), and nothing is put there with --no-publish"
                .to_owned(),
            help: Some("run it without --no-publish, or without `sandbox: false`".to_owned()),
        })
    }

    fn lack_of_gpus(&self, stage: StageId) -> Option<FailureReport> {
        if self.lane(stage) != LocalPlace::LANE {
            return None;
        }
        let (wanted, count) = (self.stage(stage).resources.gpus as usize, self.local.gpus.count());
        (wanted > count).then(|| FailureReport {
            class: FailureClass::Resources,
            message: format!("wants {wanted} GPUs, and this machine has {count}"),
            help: Some("lower `resources.gpus`, or run it where the GPUs are".to_owned()),
        })
    }

    /// Lets `stage` wait to be admitted.
    pub(super) fn hold(&mut self, stage: StageId, resolved: Arc<resolve::Resolved>) {
        self.standings.hold(stage, resolved);
        self.stirred = true;
    }

    fn obstacle(&self, stage: StageId) -> Option<Obstacle> {
        let planned = self.stage(stage);
        if let Some(full) = self.semaphores.obstacle(&planned.conduct.groups) {
            let reason = format!("waits for group `{}`, of which {} may run at once", full.group, full.capacity);
            return Some(Obstacle::Own(reason));
        }
        let lane = self.lane(stage);
        if lane != LocalPlace::LANE {
            return self.elsewhere.obstacle(lane).map(Obstacle::Place);
        }
        let idle = !self.standings.running().any(|(stage, _)| self.lane(stage) == LocalPlace::LANE);
        self.local.obstacle(&self.request(stage), planned.resources.gpus as usize, idle)
    }

    fn start(&mut self, stage: StageId) {
        let throttled = self.local.governor.is_closed();
        let (sender, control) = watch::channel(Control { throttled, ..Control::default() });
        let Some(resolved) = self.standings.start(stage, Running { control: sender, requeued: false }) else { return };
        let planned = self.stage(stage);
        let (executor, gpus) = match self.elsewhere.started(self.lane(stage)) {
            Some(executor) => (executor, None),
            None => {
                let gpus = self.local.started(stage, self.request(stage), planned.resources.gpus as usize);
                (Rc::clone(&self.local.executor) as Rc<dyn Executor>, gpus)
            }
        };
        self.semaphores.take(&planned.conduct.groups);
        self.observer.on(&RunEvent::StageStarted { stage: planned.name.clone(), key: resolved.key });
        self.tally.log(stage, self.log(stage));
        let attempt = Attempt {
            shared: Arc::clone(self.shared),
            stage,
            resolved,
            gpus,
            executor,
            events: self.event_sender.clone(),
            control,
            placement: self.spoilings.placement(stage),
        };
        let begun = Instant::now();
        self.executions.spawn_local(async move {
            let result = attempt.run().await;
            Ended { stage, resolved: attempt.resolved, begun, result }
        });
    }

    /// Busy workers are the ordinary state of a run; pressure on the machine is worth showing.
    fn say_once(&mut self, stage: StageId, reason: Reason) {
        if self.local.says(reason) {
            let message = reason.to_string();
            let holds = matches!(reason, Reason::Pressure(_));
            let (decision, stage) = (GovernorDecision::Wait, self.stage(stage).name.clone());
            self.observer.on(&RunEvent::Governor { decision, stage: Some(stage), message, holds });
        }
    }

    fn say_waiting(&mut self, stage: StageId, reason: String) {
        if self.standings.say(stage, &reason) {
            self.observer.on(&RunEvent::StageWaiting { stage: self.stage(stage).name.clone(), reason });
        }
    }

    /// The resources that the stage wants: those it declares, and the memory that it is known to need.
    fn request(&self, stage: StageId) -> Request {
        let resources = &self.stage(stage).resources;
        let memory = resources.memory.max(self.learned.as_ref().map_or(0, |learned| learned.peak_memory(stage)));
        Request { cpus: resources.cpus.max(1), memory }
    }

    /// The lane of the place where a stage runs.
    pub(super) fn lane(&self, stage: StageId) -> LaneId {
        self.elsewhere.lane(&self.stage(stage).backend).unwrap_or(LocalPlace::LANE)
    }
}

/// Whether the stage, or anything it needs, has a `when:`.
fn depends_on_a_condition(plan: &Plan, stage: StageId) -> bool {
    let mut pending = vec![stage];
    let mut seen = HashSet::from([stage]);
    while let Some(stage) = pending.pop() {
        if plan.graph[stage].conduct.condition.is_some() {
            return true;
        }
        pending.extend(
            plan.graph.neighbors_directed(stage, Direction::Incoming).filter(|producer| seen.insert(*producer)),
        );
    }
    false
}
