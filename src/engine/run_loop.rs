//! The loop that owns a run while things execute. Everything else sends it messages:
//!
//! ```text
//!   worker events ──> (stage, event) ──┐
//!   executions end ──> (stage, ending) ─┼─> loop ──> observer (progress, journal)
//!   SIGINT, SIGTERM ──> stop, then kill ─┤    │
//!   clock ──> probe ──> governor ────────┘    └──> admit: resolve, look up, start an execution
//! ```

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Event;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::execute::{Ending, Execution};
use super::hits;
use super::ready::ReadyQueue;
use super::resolve::{self, Known, Resolved, Sources};
use super::tally::Tally;
use super::{EngineError, Observer, RunEvent, Shared, StageOutcome};
use crate::backend::{Backend, Cancel, Control, Guardian, Local};
use crate::governor::{Admission, Governor, Probe, Reason, Request, SystemProbe};
use crate::plan::{PlannedStage, StageId};

/// How often the machine is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Executes what `known` does not cover.
pub(super) fn run(
    shared: &Arc<Shared>,
    known: Known,
    tally: &mut Tally,
    observer: &mut dyn Observer,
) -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| EngineError::system("starting the run loop", e))?;
    let result = LocalSet::new().block_on(&runtime, async {
        let mut run = RunLoop::new(shared, known, tally, observer)?;
        run.drive().await
    });
    // A thread may still wait for another run's lock; the run is over all the same.
    runtime.shutdown_background();
    result
}

struct RunLoop<'a> {
    shared: &'a Arc<Shared>,
    known: Known,
    tally: &'a mut Tally,
    observer: &'a mut dyn Observer,
    queue: ReadyQueue<'a, PlannedStage>,
    /// The head of the queue, resolved, found to be a miss, waiting to be admitted.
    next: Option<(StageId, Resolved)>,
    executions: JoinSet<(StageId, Instant, Result<Ending, EngineError>)>,
    backend: Rc<dyn Backend>,
    governor: Governor,
    probe: SystemProbe,
    /// What the governor last gave as its reason to wait; said once.
    waiting: Option<String>,
    event_sender: UnboundedSender<(StageId, Event)>,
    events: UnboundedReceiver<(StageId, Event)>,
    /// What is asked of each running execution.
    controls: HashMap<StageId, watch::Sender<Control>>,
    /// What is asked of all of them.
    cancel: Cancel,
    /// The first error; the run winds down and returns it.
    broken: Option<EngineError>,
}

impl<'a> RunLoop<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        known: Known,
        tally: &'a mut Tally,
        observer: &'a mut dyn Observer,
    ) -> Result<RunLoop<'a>, EngineError> {
        let plan = &shared.plan;
        let mut queue = ReadyQueue::new(&plan.graph, &plan.order);
        for stage in plan.order.iter().filter(|stage| known.has(**stage)) {
            queue.done(*stage);
        }
        let exe = std::env::current_exe().map_err(|e| EngineError::system("finding this program", e))?;
        let guardian = Guardian::start(&Guardian::command(&exe), &shared.options.run).map_err(EngineError::guardian)?;
        let (event_sender, events) = unbounded_channel();
        let open = queue.unfinished().count();
        Ok(RunLoop {
            shared,
            known,
            tally,
            observer,
            queue,
            next: None,
            executions: JoinSet::new(),
            backend: Rc::new(Local::new(guardian)),
            governor: Governor::new(shared.options.jobs, open),
            probe: SystemProbe::new(),
            waiting: None,
            event_sender,
            events,
            controls: HashMap::new(),
            cancel: Cancel::No,
            broken: None,
        })
    }

    async fn drive(&mut self) -> Result<(), EngineError> {
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut clock = tokio::time::interval(SAMPLE_EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.admit() {
                self.break_off(error);
            }
            if self.executions.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                _ = interrupt.recv() => self.stop(),
                _ = terminate.recv() => self.stop(),
                Some((stage, event)) = self.events.recv() => self.relay(stage, event),
                Some(ended) = self.executions.join_next() => self.ended(ended),
                _ = clock.tick() => self.sample(),
            }
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Starts whatever may start now. A ready stage that turns out to be a hit (early cutoff) costs no admission.
    fn admit(&mut self) -> Result<(), EngineError> {
        while self.cancel == Cancel::No {
            let Some((stage, resolved)) = self.take_next()? else { break };
            let request = request(&self.shared.plan.graph[stage]);
            match self.governor.admit(&request) {
                Admission::Now => self.start(stage, resolved, request),
                Admission::Wait(reason) => {
                    self.say_once(reason);
                    self.next = Some((stage, resolved));
                    break;
                }
            }
        }
        Ok(())
    }

    /// The next ready stage that must be executed. Hits on the way are settled here.
    fn take_next(&mut self) -> Result<Option<(StageId, Resolved)>, EngineError> {
        if self.next.is_some() {
            return Ok(self.next.take());
        }
        while let Some(stage) = self.queue.peek() {
            let begun = Instant::now();
            let shared = Arc::clone(self.shared);
            // Every producer of a ready stage is done, so its inputs are known; to go on without it would look like success.
            let resolved = resolve::resolve(&shared.plan, stage, &self.known, &shared.store, Sources::Ingested)?;
            let resolved = resolved.map_err(|producer| EngineError::unready(&shared.plan, stage, producer))?;
            self.tally.resolved(stage, &resolved);
            let Some(record) = hits::look_up(&shared, stage, &resolved, self.observer)? else {
                self.queue.start(stage);
                return Ok(Some((stage, resolved)));
            };
            let outcome = hits::restore(&shared, stage, &record, self.observer)?;
            self.settle(stage, outcome, &record, begun.elapsed().as_secs_f64());
        }
        Ok(None)
    }

    fn start(&mut self, stage: StageId, resolved: Resolved, request: Request) {
        self.waiting = None;
        self.governor.started(stage.index() as u64, request);
        let name = self.shared.plan.graph[stage].name.clone();
        self.observer.on(&RunEvent::StageStarted { stage: name, key: resolved.key });
        self.tally.log(stage, Execution::log_path(self.shared, stage));
        let (sender, control) = watch::channel(Control::default());
        self.controls.insert(stage, sender);
        let execution = Execution {
            shared: Arc::clone(self.shared),
            stage,
            resolved,
            backend: Rc::clone(&self.backend),
            events: self.event_sender.clone(),
            control,
        };
        let begun = Instant::now();
        self.executions.spawn_local(async move { (stage, begun, execution.run().await) });
    }

    fn ended(&mut self, ended: Result<(StageId, Instant, Result<Ending, EngineError>), tokio::task::JoinError>) {
        let (stage, begun, result) = match ended {
            Ok(ended) => ended,
            Err(error) => return self.break_off(EngineError::system("an execution ended abnormally", error.into())),
        };
        self.governor.ended(stage.index() as u64);
        self.controls.remove(&stage);
        // Events that were sent before the end are shown before it.
        while let Ok((stage, event)) = self.events.try_recv() {
            self.relay(stage, event);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let shared = Arc::clone(self.shared);
        let settled = match result {
            Err(error) => Err(error),
            Ok(Ending::Ran(record)) => {
                hits::publish(&shared, stage, &record, self.observer).map(|_| (StageOutcome::Ran, record))
            }
            Ok(Ending::Appeared(record)) => {
                hits::restore(&shared, stage, &record, self.observer).map(|outcome| (outcome, record))
            }
            Ok(Ending::Failed(failure, usage)) => {
                let message = failure.message.clone();
                self.tally.failed(stage, failure, usage, seconds);
                return self.fail(stage, seconds, message);
            }
            Ok(Ending::Interrupted) => {
                let planned = &shared.plan.graph[stage];
                return self.observer.on(&hits::ended(planned, StageOutcome::Interrupted, seconds, None));
            }
        };
        match settled {
            Ok((outcome, record)) => self.settle(stage, outcome, &record, seconds),
            Err(error) => self.break_off(error),
        }
    }

    fn settle(&mut self, stage: StageId, outcome: StageOutcome, record: &crate::store::Record, seconds: f64) {
        self.known.insert(stage, hits::artifacts(record));
        self.queue.done(stage);
        self.tally.settled(self.shared, stage, outcome, record, seconds);
        self.observer.on(&hits::ended(&self.shared.plan.graph[stage], outcome, seconds, None));
    }

    /// Independent branches go on; everything behind the stage is blocked.
    fn fail(&mut self, stage: StageId, seconds: f64, message: String) {
        let graph = &self.shared.plan.graph;
        self.observer.on(&hits::ended(&graph[stage], StageOutcome::Failed, seconds, Some(message)));
        for blocked in self.queue.failed(stage) {
            self.tally.blocked(blocked);
            let because = format!("needs `{}`, which failed", graph[stage].name);
            self.observer.on(&hits::ended(&graph[blocked], StageOutcome::Blocked, 0.0, Some(because)));
        }
    }

    fn relay(&mut self, stage: StageId, event: Event) {
        let name = self.shared.plan.graph[stage].name.clone();
        let shown = match event {
            Event::Progress { done, total, unit } => RunEvent::StageProgress { stage: name, done, total, unit },
            Event::Metric { name: metric, step, value } => {
                RunEvent::StageMetric { stage: name, name: metric, step, value }
            }
            Event::Log { level, message } => RunEvent::StageLog { stage: name, level, message },
            Event::Checkpoint { step, .. } => RunEvent::StageCheckpoint { stage: name, step },
            // The backend draws its conclusions from these; the loop shows the stage's end itself.
            Event::Started { .. } | Event::Finished {} | Event::Failed { .. } => return,
        };
        self.observer.on(&shown);
    }

    fn sample(&mut self) {
        let sample = self.probe.sample();
        if let Some(change) = self.governor.observe(&sample) {
            self.observer.on(&RunEvent::Governor { message: change.to_string(), holds: self.next.is_some() });
        }
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

    /// Once: admit nothing more and let stages take a checkpoint. Twice: kill them.
    fn stop(&mut self) {
        let (next, message) = match self.cancel {
            Cancel::No => (Cancel::Stop, "stopping: stages may take a checkpoint; press Ctrl-C again to kill them"),
            Cancel::Stop | Cancel::Kill => (Cancel::Kill, "killing the stages that still run"),
        };
        self.observer.on(&RunEvent::Stopping { message: message.to_owned() });
        self.cancel_all(next);
    }

    fn cancel_all(&mut self, cancel: Cancel) {
        self.cancel = cancel;
        for control in self.controls.values() {
            control.send_modify(|control| control.cancel = cancel);
        }
    }

    /// Keeps the first error and winds the run down.
    fn break_off(&mut self, error: EngineError) {
        self.broken.get_or_insert(error);
        if self.cancel == Cancel::No {
            self.cancel_all(Cancel::Stop);
        }
    }
}

fn request(stage: &PlannedStage) -> Request {
    Request { cpus: stage.resources.cpus.max(1), memory: stage.resources.memory }
}

fn listen(kind: SignalKind) -> Result<Signal, EngineError> {
    signal(kind).map_err(|e| EngineError::system("listening for signals", e))
}
