//! Who starts now. A ready stage is resolved and looked up; a hit (early cutoff) costs no admission, a miss is held until there is
//! room for it. A stage that waits for something of its own (a group, a twin) is passed over; one that the governor refuses keeps
//! everything behind it waiting, so that a large stage is not starved by small ones.

use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::{Ended, Held, RunLoop, Running};
use crate::backend::{Cancel, Control};
use crate::engine::execute::Execution;
use crate::engine::ready::Rank;
use crate::engine::resolve::{self, Sources};
use crate::engine::{EngineError, RunEvent, hits};
use crate::governor::{Admission, Reason, Request};
use crate::plan::StageId;

/// Why a held stage does not start.
enum Obstacle {
    /// It waits for something that others may not need.
    Own(String),
    /// Nothing starts.
    Governor(Reason),
}

impl RunLoop<'_> {
    /// Starts whatever may start now.
    pub(super) fn admit(&mut self) -> Result<(), EngineError> {
        if !std::mem::take(&mut self.stirred) {
            return Ok(());
        }
        let mut passed = None;
        while self.cancel == Cancel::No {
            let Some(rank) = self.next_candidate(passed)? else { break };
            match self.obstacle(rank.1) {
                None => self.start(rank),
                Some(Obstacle::Own(reason)) => {
                    self.say_waiting(rank, reason);
                    passed = passed.max(Some(rank));
                }
                Some(Obstacle::Governor(reason)) => {
                    self.say_once(reason);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The first stage after `passed` that must be executed. Hits on the way are settled.
    fn next_candidate(&mut self, passed: Option<Rank>) -> Result<Option<Rank>, EngineError> {
        loop {
            let after = passed.map_or(Bound::Unbounded, Bound::Excluded);
            let held = self.held.range((after, Bound::Unbounded)).next().map(|(rank, _)| *rank);
            let ready = self.queue.peek().map(|stage| self.queue.rank(stage));
            match ready {
                Some(ready) if held.is_none_or(|held| ready < held) => {
                    if self.take(ready.1)? {
                        return Ok(Some(ready));
                    }
                }
                _ => return Ok(held),
            }
        }
    }

    /// Takes the head of the queue: settles it when it is a hit, holds it otherwise. Returns whether it is held.
    fn take(&mut self, stage: StageId) -> Result<bool, EngineError> {
        let begun = Instant::now();
        let shared = Arc::clone(self.shared);
        // Every producer of a ready stage is done, so its inputs are known; to go on without it would look like success.
        let resolved = resolve::resolve(&shared.plan, stage, &self.known, &shared.store, Sources::Ingested)?;
        let resolved = resolved.map_err(|producer| EngineError::unready(&shared.plan, stage, producer))?;
        self.tally.resolved(stage, &resolved);
        if let Some(record) = hits::look_up(&shared, stage, &resolved, self.observer)? {
            let outcome = hits::restore(&shared, stage, &record, self.observer)?;
            self.settle(stage, outcome, &record, begun.elapsed().as_secs_f64());
            return Ok(false);
        }
        self.queue.start(stage);
        if let Err(first) = self.twins.enter(resolved.key, stage) {
            let reason = format!("`{}` does the same just now", self.stage(first).name);
            self.observer.on(&RunEvent::StageWaiting { stage: self.stage(stage).name.clone(), reason });
            return Ok(false);
        }
        self.hold(stage, Arc::new(resolved));
        Ok(true)
    }

    /// Lets `stage` wait to be admitted.
    pub(super) fn hold(&mut self, stage: StageId, resolved: Arc<resolve::Resolved>) {
        self.held.insert(self.queue.rank(stage), Held { resolved, said: None });
        self.stirred = true;
    }

    fn obstacle(&self, stage: StageId) -> Option<Obstacle> {
        let planned = self.stage(stage);
        if let Some(full) = self.semaphores.obstacle(&planned.conduct.groups) {
            let reason = format!("of group `{}` {} may run at once", full.group, full.capacity);
            return Some(Obstacle::Own(reason));
        }
        match self.governor.admit(&self.request(stage)) {
            Admission::Now => None,
            Admission::Wait(reason) => Some(Obstacle::Governor(reason)),
        }
    }

    fn start(&mut self, rank: Rank) {
        let stage = rank.1;
        let Some(Held { resolved, .. }) = self.held.remove(&rank) else { return };
        self.waiting = None;
        let planned = self.stage(stage);
        self.governor.started(stage.index() as u64, self.request(stage));
        self.semaphores.take(&planned.conduct.groups);
        self.observer.on(&RunEvent::StageStarted { stage: planned.name.clone(), key: resolved.key });
        self.tally.log(stage, Execution::log_path(self.shared, stage));
        let (sender, control) = watch::channel(Control::default());
        self.running.insert(stage, Running { control: sender });
        let execution = Execution {
            shared: Arc::clone(self.shared),
            stage,
            resolved,
            backend: Rc::clone(&self.backend),
            events: self.event_sender.clone(),
            control,
        };
        let begun = Instant::now();
        self.executions.spawn_local(async move {
            let result = execution.run().await;
            Ended { stage, resolved: execution.resolved, begun, result }
        });
    }

    /// That all workers are busy is the ordinary state of a run; that the machine is under pressure is worth showing.
    fn say_once(&mut self, reason: Reason) {
        let message = reason.to_string();
        if self.waiting.as_ref() != Some(&message) {
            let holds = matches!(reason, Reason::Pressure(_));
            self.observer.on(&RunEvent::Governor { message: message.clone(), holds });
            self.waiting = Some(message);
        }
    }

    fn say_waiting(&mut self, rank: Rank, reason: String) {
        let name = &self.stage(rank.1).name;
        let Some(held) = self.held.get_mut(&rank) else { return };
        if held.said.as_ref() != Some(&reason) {
            self.observer.on(&RunEvent::StageWaiting { stage: name.clone(), reason: reason.clone() });
            held.said = Some(reason);
        }
    }

    /// What the stage wants: what it declares, and the memory that it is known to need.
    fn request(&self, stage: StageId) -> Request {
        let resources = &self.stage(stage).resources;
        let memory = resources.memory.max(self.learned.peak_memory(stage));
        Request { cpus: resources.cpus.max(1), memory }
    }
}
