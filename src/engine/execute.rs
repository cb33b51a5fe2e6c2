//! One attempt at a stage, from the lock of its action to its record. The executor, which acts in between, knows neither.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use contract::{Event, FailureClass, Level, Usage};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::fault::Fault;
use super::order::order;
use super::resolve::Resolved;
use super::sharing::Content;
use super::tally::unix_seconds;
use super::{EngineError, FailureReport, Options, Shared, bounds, fault, foresight, hits, publishing, resolve};
use crate::action::ActionKey;
use crate::executor::fault::of_preparation;
use crate::executor::remote::{Recalled, recall};
use crate::executor::{
    Cancel, Control, Execution, Executor, Failed, Order, Reuse, SpoiledInput, Told, asked, unless_abandoned,
};
use crate::failpoint::{self, Failpoint};
use crate::plan::{Sandbox, StageId, Work, code};
use crate::remote::Meter;
use crate::store::{
    ActionLock, Artifact, Away, Durability, Lookup, Placement, RECORD_FORMAT, Record, StoreError, StoreErrorKind,
};

/// A stage that ran for this long is made durable before its record is written; losing a shorter one costs little.
const SYNC_FROM_SECONDS: f64 = 1.0;

/// How an attempt ended.
pub(super) enum Ending {
    /// It gave its outputs. Of a refreshed stage: the outputs, by port, that its former record had otherwise.
    Ran { record: Box<Record>, differing: Vec<String> },
    /// Another run made the record while this one waited for the action's lock.
    Appeared(Box<Record>),
    /// It failed.
    Failed(Box<Failed>),
    /// It was asked to stop and did.
    Interrupted,
    /// The run ends at once, and its outputs were not stored yet.
    Abandoned,
    /// Some of its inputs, by their positions, lie on the remote and do not come.
    Lacking(Vec<usize>, Lack),
    /// Its inputs are not those that its key names, so nothing that it gave is kept.
    Spoiled(Vec<SpoiledInput>),
}

/// Why content that lies on the remote does not come.
#[derive(Clone, Debug)]
pub(super) enum Lack {
    /// It is no longer there, or something else is in its place: this.
    Lost(String),
    /// The remote cannot be asked: this is why.
    Unreachable(String),
}

impl Ending {
    fn failed(failure: FailureReport) -> Ending {
        Ending::Failed(Box::new(Failed::new(failure, Usage::default())))
    }
}

/// The parts of the run loop that an attempt needs.
pub(super) struct Attempt {
    pub shared: Arc<Shared>,
    pub stage: StageId,
    pub resolved: Arc<Resolved>,
    /// The GPUs that it may use, as `CUDA_VISIBLE_DEVICES` names them, where GPUs are shared out.
    pub gpus: Option<String>,
    pub executor: Rc<dyn Executor>,
    pub events: UnboundedSender<(StageId, Told)>,
    pub control: watch::Receiver<Control>,
    /// The way in which its inputs are placed.
    pub placement: Placement,
}

impl Attempt {
    /// Runs the stage. Two runs that need one action execute it once: the second waits for the lock and finds the record.
    pub(super) async fn run(&self) -> Result<Ending, EngineError> {
        let Attempt { shared, resolved, .. } = self;
        let (stage, key) = (self.stage, resolved.key);
        if self.writes_in_workspace() && !self.may_publish().await? {
            return Ok(Ending::Interrupted);
        }
        let lock = blocking(shared, move |shared| lock(shared, &key));
        // A user who stops this run does not wait for another one. The thread that does takes the lock when it can and drops it.
        let lock = tokio::select! {
            lock = lock => lock?,
            () = asked(self.control.clone(), |control| control.cancel != Cancel::No) => return Ok(Ending::Interrupted),
        };
        let _lock = match lock {
            Ok(lock) => lock,
            Err(failure) => return Ok(Ending::failed(failure)),
        };
        if !shared.refreshes(stage) {
            let found = blocking(shared, move |shared| hits::record(&shared.store, &shared.plan, stage, &key));
            let Some(found) = unless_abandoned(&self.control, found).await? else { return Ok(Ending::Interrupted) };
            match found {
                Lookup::Hit(record) => return Ok(Ending::Appeared(record)),
                Lookup::Elsewhere(away) => {
                    if let Some(ending) = self.complete(*away).await? {
                        return Ok(ending);
                    }
                }
                Lookup::Miss(_) if shared.sharing.is_on() => {
                    if let Some(ending) = self.bring().await? {
                        return Ok(ending);
                    }
                }
                Lookup::Miss(_) => {}
            }
        }
        if shared.sharing.is_on()
            && let Some(ending) = self.bring_inputs().await?
        {
            return Ok(ending);
        }
        if let Some(failure) = self.refused_later().await? {
            return Ok(Ending::failed(failure));
        }
        if self.control.borrow().cancel != Cancel::No {
            return Ok(Ending::Interrupted);
        }
        if self.writes_in_workspace() {
            let cleared = blocking(shared, move |shared| make_room(shared, stage));
            match unless_abandoned(&self.control, cleared).await? {
                Some(Ok(moved)) => moved.into_iter().for_each(|moved| self.warn(moved)),
                Some(Err(failure)) => return Ok(Ending::Failed(Box::new(Failed::unfit(failure, Usage::default())))),
                None => return Ok(Ending::Interrupted),
            }
        }
        let (run, gpus) = (&shared.options.run, self.gpus.clone());
        let mut order = order(&shared.plan, run, (stage, resolved), gpus, self.placement);
        if shared.refreshes(stage) {
            order.reuse = Reuse::Refused;
        }
        let order = Arc::new(order);
        if !shared.options.elsewhere.is_empty()
            && let Some(ending) = self.recall(&order).await?
        {
            return Ok(ending);
        }
        let events = self.events.clone();
        // The loop outlives its tasks; were it gone, there would be nobody to show the event to.
        let events = Rc::new(move |event| drop(events.send((stage, event))));
        match self.executor.execute(order, self.control.clone(), events).await? {
            Execution::Finished { outputs, metrics, usage, host } => self.keep(outputs, metrics, usage, host).await,
            Execution::Found(record) => Ok(Ending::Appeared(record)),
            Execution::Failed(mut failed) => {
                let card = fault::card_of(&shared.plan, &shared.plan.graph[stage]);
                if let (FailureClass::NotBuilt, Some(card), Some(help)) =
                    (failed.failure.class, card, &mut failed.failure.help)
                {
                    *help = format!("{help}; {card} names it");
                }
                Ok(Ending::Failed(failed))
            }
            Execution::Interrupted => Ok(Ending::Interrupted),
            Execution::Abandoned => Ok(Ending::Abandoned),
            Execution::Spoiled(inputs) => Ok(Ending::Spoiled(inputs)),
        }
    }

    /// Why it would be in vain: a stage after it would refuse what it makes.
    async fn refused_later(&self) -> Result<Option<FailureReport>, EngineError> {
        let Attempt { shared, stage, resolved, .. } = self;
        if !foresight::is_followed(&shared.plan, *stage) {
            return Ok(None);
        }
        let (stage, resolved) = (*stage, Arc::clone(resolved));
        let refused = blocking(shared, move |shared| {
            let elsewhere = &shared.options.elsewhere;
            Ok(foresight::refused_later(&shared.plan, &shared.store, (stage, &resolved), elsewhere))
        });
        Ok(unless_abandoned(&self.control, refused).await?.flatten())
    }

    /// Before this machine executes an action that was sent elsewhere: brings home what that left there. Its result is the stage's ending.
    async fn recall(&self, order: &Arc<Order>) -> Result<Option<Ending>, EngineError> {
        let Attempt { shared, stage, .. } = self;
        let Some(backend) = shared.store.sent(&order.key) else { return Ok(None) };
        let Some(place) = shared.options.elsewhere.get(&backend).cloned() else { return Ok(None) };
        if shared.options.elsewhere.contains_key(shared.plan.graph[*stage].backend.as_str()) {
            return Ok(None);
        }
        let order = Arc::clone(order);
        let recalled = blocking(shared, move |shared| Ok(recall(&place, &shared.store, &order)));
        match unless_abandoned(&self.control, recalled).await? {
            None => return Ok(Some(Ending::Interrupted)),
            Some(Ok(Recalled::Record(record))) => return Ok(Some(Ending::Appeared(record))),
            Some(Ok(Recalled::Unfinished { with_checkpoint, may_run })) => {
                if with_checkpoint {
                    self.warn(format!("it goes on from the newest checkpoint at `{backend}`"));
                }
                if let Some(attempt) = may_run {
                    self.warn(format!(
                        "attempt {attempt} of it may still run at `{backend}`; `pipe backend reap {backend}` ends what runs there"
                    ));
                }
            }
            Some(Err(error)) => {
                self.warn(format!("`{backend}`, where it ran before, cannot be asked for a checkpoint: {error}"))
            }
        }
        Ok(None)
    }

    /// Fetches the result of this action from the remote, where the remote has it; then this is the stage's ending.
    async fn bring(&self) -> Result<Option<Ending>, EngineError> {
        let Attempt { shared, stage, resolved, .. } = self;
        let (stage, key, control) = (*stage, resolved.key, self.control.clone());
        let brought = blocking(shared, move |shared| {
            let stopped = || control.borrow().cancel != Cancel::No;
            Ok(match shared.sharing.bring_one(shared, stage, &key, &stopped)? {
                true => Some(hits::record(&shared.store, &shared.plan, stage, &key)?),
                false => None,
            })
        });
        match unless_abandoned(&self.control, brought).await? {
            None => Ok(Some(Ending::Interrupted)),
            Some(Some(Lookup::Hit(record))) => Ok(Some(Ending::Appeared(record))),
            Some(Some(Lookup::Elsewhere(away))) => self.complete(*away).await,
            Some(Some(Lookup::Miss(_)) | None) => Ok(None),
        }
    }

    /// Brings what is needed of a record whose outputs lie on the remote: how the stage ends then. `None`: it is to be executed.
    async fn complete(&self, away: Away) -> Result<Option<Ending>, EngineError> {
        let Attempt { shared, stage, resolved, .. } = self;
        let (key, remote) = (resolved.key, shared.sharing.place());
        let lack = match self.fetch(publishing::needed(shared, *stage, &away.outputs)).await? {
            Content::Here => return Ok(Some(Ending::Appeared(Box::new(away.record)))),
            Content::Stopped => return Ok(Some(Ending::Interrupted)),
            Content::Lost(why) => format!("what {remote} has of it is not used: {why}"),
            Content::Unreachable(why) => {
                let why = format!("what it gave is only on {remote}, which cannot be asked ({why})");
                if !self.lacking()?.is_empty() {
                    let help = "run it again when the remote can be reached";
                    return Ok(Some(Ending::failed(failure(format!("{why}, and its inputs are not here"), help))));
                }
                why
            }
        };
        self.warn(format!("{lack}; it runs again"));
        blocking(shared, move |shared| shared.sharing.distrust(&shared.store, &key)).await?;
        Ok(None)
    }

    /// Brings those inputs that lie on the remote: how the stage ends where they do not come.
    async fn bring_inputs(&self) -> Result<Option<Ending>, EngineError> {
        let lacking = self.lacking()?;
        let needed = lacking.iter().map(|input| self.resolved.inputs[*input].clone()).collect();
        let lack = match self.fetch(needed).await? {
            Content::Here => None,
            Content::Stopped => return Ok(Some(Ending::Interrupted)),
            Content::Lost(why) => Some(Lack::Lost(why)),
            Content::Unreachable(why) => Some(Lack::Unreachable(why)),
        };
        if let Some(lack) = lack {
            // Some of them may have come.
            return Ok(Some(Ending::Lacking(self.lacking()?, lack)));
        }
        if self.writes_in_workspace() {
            let (stage, resolved) = (self.stage, Arc::clone(&self.resolved));
            let put = blocking(&self.shared, move |shared| {
                fault::split(publishing::bring_out(shared, stage, &resolved.inputs))
            });
            return match unless_abandoned(&self.control, put).await? {
                Some(Ok(())) => Ok(None),
                Some(Err(failure)) => Ok(Some(Ending::failed(failure))),
                None => Ok(Some(Ending::Interrupted)),
            };
        }
        Ok(None)
    }

    /// The inputs that are not in the store, by their positions.
    fn lacking(&self) -> Result<Vec<usize>, EngineError> {
        let mut lacking = Vec::new();
        for (position, artifact) in self.resolved.inputs.iter().enumerate() {
            if self.shared.store.lacks(artifact).map_err(EngineError::store)? {
                lacking.push(position);
            }
        }
        Ok(lacking)
    }

    /// Brings content from the remote and shows how far that is.
    async fn fetch(&self, artifacts: Vec<Artifact>) -> Result<Content, EngineError> {
        if artifacts.is_empty() {
            return Ok(Content::Here);
        }
        let (control, events, stage) = (self.control.clone(), self.events.clone(), self.stage);
        let fetched = blocking(&self.shared, move |shared| {
            let stopped = || control.borrow().cancel != Cancel::No;
            let mut progress = |meter: &Meter| {
                for message in meter.said() {
                    // As below.
                    let _ = events.send((stage, Event::Log { level: Level::Info, message }.into()));
                }
                let (done, total) = (meter.done(), Some(meter.total()));
                let progress = Event::Progress { done, total, unit: "bytes fetched".to_owned() };
                // The loop outlives its tasks; were it gone, there would be nobody to show it to.
                let _ = events.send((stage, progress.into()));
            };
            shared.sharing.content(&shared.store, &artifacts, &stopped, &mut progress)
        });
        Ok(unless_abandoned(&self.control, fetched).await?.unwrap_or(Content::Stopped))
    }

    fn writes_in_workspace(&self) -> bool {
        let work = &self.shared.plan.graph[self.stage].work;
        matches!(work, Work::Command(command) if command.sandbox == Sandbox::Workspace)
    }

    /// Waits for the right to publish: before the action's lock is taken, so that no two runs wait for each other. Returns whether it
    /// was given.
    async fn may_publish(&self) -> Result<bool, EngineError> {
        let (events, stage) = (self.events.clone(), self.stage);
        let claimed = blocking(&self.shared, move |shared| {
            publishing::claim_now(shared, |message| {
                // The loop outlives its tasks; were it gone, there would be nobody to tell.
                let _ = events.send((stage, Told::warning(message)));
            })
        });
        tokio::select! {
            claimed = claimed => claimed.map(|()| true),
            () = asked(self.control.clone(), |control| control.cancel != Cancel::No) => Ok(false),
        }
    }

    fn warn(&self, message: String) {
        // The loop outlives its tasks; were it gone, there would be nobody to warn.
        let _ = self.events.send((self.stage, Told::warning(message)));
    }

    /// Writes the record. The outputs are in the store by now: blobs first, so that a crash leaves garbage but never a lie.
    async fn keep(
        &self,
        outputs: BTreeMap<String, Artifact>,
        metrics: BTreeMap<String, f64>,
        usage: Usage,
        host: String,
    ) -> Result<Ending, EngineError> {
        let (stage, resolved) = (self.stage, Arc::clone(&self.resolved));
        let kept = blocking(&self.shared, move |shared| {
            let planned = &shared.plan.graph[stage];
            for output in &planned.outputs {
                publishing::finished(shared, &output.destination).map_err(EngineError::store)?;
            }
            failpoint::reach(Failpoint::AfterBlobs);
            let unmoved = resolve::still_there(&shared.plan, stage, &resolved, &shared.store)?;
            let record = Record {
                format: RECORD_FORMAT,
                key: resolved.key,
                action: resolved.action.clone(),
                outputs,
                metrics,
                usage,
                host,
                backend: planned.backend.as_str().to_owned(),
                run: shared.options.run.clone(),
                stage: planned.name.to_string(),
                finished_at: unix_seconds(),
                source: code::source(&planned.work),
            };
            let former = shared.refreshes(stage).then(|| shared.store.past_record(&record.key)).flatten();
            let differing = former.map_or(Vec::new(), |former| differing(&former, &record));
            let durability = if usage.seconds >= SYNC_FROM_SECONDS { Durability::Synced } else { Durability::Relaxed };
            if unmoved {
                shared.store.put_record(&record, durability).map_err(EngineError::store)?;
                shared.sharing.made(&shared.store, &record);
            }
            let left = shared.store.drop_checkpoints(&resolved.key).err();
            Ok((record, differing, unmoved, left))
        });
        let Some((record, differing, unmoved, left)) = unless_abandoned(&self.control, kept).await? else {
            return Ok(Ending::Abandoned);
        };
        if let Some(error) = left {
            self.warn(format!("checkpoints that nobody needs any more cannot be removed: {error}"));
        }
        if !unmoved {
            self.warn("an input changed while it ran: its result is used now and not recorded".to_owned());
        }
        Ok(Ending::Ran { record: Box::new(record), differing })
    }
}

fn failure(message: String, help: &str) -> FailureReport {
    FailureReport { class: FailureClass::InvalidInput, message, help: Some(help.to_owned()) }
}

/// Makes room in the workspace for the outputs of a stage that writes there itself. Returns a message for each file that was in the way.
fn make_room(shared: &Shared, stage: StageId) -> Result<Result<Vec<String>, FailureReport>, EngineError> {
    let planned = &shared.plan.graph[stage];
    let mut moved = Vec::new();
    for output in &planned.outputs {
        let begun = bounds::writing(&shared.plan, &shared.store, output)
            .and_then(|()| publishing::begin(shared, &output.destination));
        match begun {
            Ok(displaced) => moved.extend(displaced),
            Err(error) => {
                let fault = of_preparation(&shared.store, &planned.location, None, error);
                return fault::split(Err(Fault::from(fault)));
            }
        }
    }
    Ok(Ok(moved))
}

/// The right to execute the action `key`. That a run around this one has it is the stage's failure: it would wait for ever.
fn lock(shared: &Shared, key: &ActionKey) -> Result<Result<ActionLock, FailureReport>, EngineError> {
    let Options { run, around, .. } = &shared.options;
    match shared.store.lock_action(key, run, around) {
        Ok(lock) => Ok(Ok(lock)),
        Err(StoreError { kind: StoreErrorKind::HeldAround { run }, .. }) => Ok(Err(FailureReport {
            class: FailureClass::InvalidInput,
            message: format!("run {run} executes it just now and waits for this command, which is part of it"),
            help: Some(
                "take the call of `pipe` out of the stage, or give it a store of its own (--store DIR)".to_owned(),
            ),
        })),
        Err(error) => Err(EngineError::store(error)),
    }
}

/// The outputs of one action, by port, that two executions gave differently.
fn differing(former: &Record, latter: &Record) -> Vec<String> {
    let differs = |(port, artifact): &(&String, &Artifact)| former.outputs.get(*port) != Some(artifact);
    latter.outputs.iter().filter(differs).map(|(port, _)| port.clone()).collect()
}

/// Runs file-system work off the loop's thread.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let shared = Arc::clone(shared);
    match tokio::task::spawn_blocking(move || work(&shared)).await {
        Ok(result) => result,
        Err(error) => Err(EngineError::system("file-system work of a stage", error.into())),
    }
}
