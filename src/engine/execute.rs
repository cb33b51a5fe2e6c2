//! One stage, from private directory to record.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use contract::types::Form;
use contract::{Digest, Event, FailureClass, Level, Usage};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::error::EngineErrorKind;
use super::fault::Fault;
use super::outcome::FailureReport;
use super::resolve::Resolved;
use super::tally::unix_seconds;
use super::{EngineError, FailedWork, Options, Shared};
use super::{fault, history, hits, publishing, resolve};
use crate::backend::{Backend, Cancel, Control, Launch, Outcome, Trace, redacted};
use crate::executor::local::secrets::Secret;
use crate::executor::local::spoiled::{self, PlacedInput, SpoiledInput, Unprepared};
use crate::executor::local::workspace::{self, Prepared};
use crate::executor::local::{figures, script, secrets, undeclared};
use crate::failpoint::{self, Failpoint};
use crate::plan::{PlannedOutput, PlannedStage, Sandbox, StageId, Work, code};
use crate::spec::SecretForm;
use crate::store::{
    ActionLock, Artifact, Durability, Lookup, Placement, RECORD_FORMAT, Record, Store, StoreError, StoreErrorKind,
};

/// A stage that ran for this long is made durable before its record is written; losing a shorter one costs little.
const SYNC_FROM_SECONDS: f64 = 1.0;

/// How long a stage may take to leave a checkpoint when the run is stopped.
const GRACE: Duration = Duration::from_secs(60);

/// How an execution ended.
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
    /// What it read is not what its key says; whatever it did counts for nothing.
    Spoiled(Vec<SpoiledInput>),
}

impl Ending {
    fn failed(failure: FailureReport, usage: Usage) -> Ending {
        let judged = failure.class;
        Ending::Failed(Box::new(Failed { failure, judged, usage, directory: None }))
    }

    /// What it reads or left behind was at fault. That may be otherwise the next time, so its retries count.
    fn unfit(failure: FailureReport, usage: Usage) -> Ending {
        Ending::Failed(Box::new(Failed { failure, judged: FailureClass::StageBug, usage, directory: None }))
    }
}

/// A failed execution.
pub(super) struct Failed {
    pub failure: FailureReport,
    /// By which it is decided whether another attempt may help.
    pub judged: FailureClass,
    pub usage: Usage,
    /// Its private directory, when failed ones are kept; otherwise it is removed.
    pub directory: Option<PathBuf>,
}

/// What an execution needs from the run loop.
pub(super) struct Execution {
    pub shared: Arc<Shared>,
    pub stage: StageId,
    pub resolved: Arc<Resolved>,
    /// The GPUs that it may use, as `CUDA_VISIBLE_DEVICES` names them, where GPUs are shared out.
    pub gpus: Option<String>,
    pub backend: Rc<dyn Backend>,
    pub events: UnboundedSender<(StageId, Event)>,
    pub control: watch::Receiver<Control>,
    /// How its inputs come to it.
    pub placement: Placement,
}

impl Execution {
    /// Where the stage's log lies.
    pub fn log_path(shared: &Shared, stage: StageId) -> PathBuf {
        history::log_path(&shared.store, &shared.options.run, shared.plan.graph[stage].name.as_str())
    }

    /// Runs the stage. Two runs that need one action execute it once: the second waits for the lock and finds the record.
    pub async fn run(&self) -> Result<Ending, EngineError> {
        let Execution { shared, resolved, .. } = self;
        let (stage, key) = (self.stage, resolved.key);
        if self.writes_in_workspace() && !self.may_publish().await? {
            return Ok(Ending::Interrupted);
        }
        let lock = blocking(shared, move |shared| lock(shared, &key));
        // Whoever stops this run does not wait for another one. The thread that does takes the lock when it can and drops it.
        let lock = tokio::select! {
            lock = lock => lock?,
            () = asked(self.control.clone(), |control| control.cancel != Cancel::No) => return Ok(Ending::Interrupted),
        };
        let lock = match lock {
            Ok(lock) => lock,
            Err(failure) => return Ok(Ending::failed(failure, Usage::default())),
        };
        if !shared.refreshes(stage) {
            let found = blocking(shared, move |shared| hits::record(&shared.store, &shared.plan, stage, &key));
            let Some(found) = self.unless_abandoned(found).await? else { return Ok(Ending::Interrupted) };
            if let Lookup::Hit(record) = found {
                return Ok(Ending::Appeared(record));
            }
        }
        if self.control.borrow().cancel != Cancel::No {
            return Ok(Ending::Interrupted);
        }
        let (resolved, placement) = (Arc::clone(resolved), self.placement);
        let prepared = blocking(shared, move |shared| {
            let log = Execution::log_path(shared, stage);
            let logs = log.parent().unwrap_or(&log);
            std::fs::create_dir_all(logs).map_err(|e| EngineError::system("making the directory of logs", e))?;
            match workspace::prepare(shared, stage, &resolved, placement) {
                Ok(prepared) => Ok(Ok(prepared)),
                Err(Unprepared::Spoiled(input, _)) => Ok(Err(Ending::Spoiled(vec![*input]))),
                Err(Unprepared::Fault(Fault::Stage(failure))) => Ok(Err(Ending::unfit(failure, Usage::default()))),
                Err(Unprepared::Fault(Fault::Engine(error))) => Err(error),
            }
        });
        let Some(prepared) = self.unless_abandoned(prepared).await? else { return Ok(Ending::Interrupted) };
        let mut prepared = match prepared {
            Ok(prepared) => prepared,
            Err(ending) => return Ok(ending),
        };
        let directory = prepared.directory.clone();
        let inputs = Arc::new(std::mem::take(&mut prepared.inputs));
        let mut ending = self.run_prepared(prepared, &inputs).await;
        if let (FailedWork::Keep, Ok(Ending::Failed(failed))) = (shared.options.failed_work, &mut ending) {
            failed.directory = Some(directory);
            return ending;
        }
        if let Ok(Ending::Abandoned) = ending {
            // Its outputs may still be read, by a thread that ends with the program. The next run sweeps the directory away.
            return ending;
        }
        // What an execution left behind is of no use to the next one. What stays all the same is named, and tried again at every
        // clean-up.
        let store = Arc::clone(&shared.store);
        let remove = move || {
            let placed: Vec<_> = inputs.iter().map(|input| &input.placed).collect();
            store.remove_work(&directory, &placed)
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(remove).await {
            self.warn(format!("something that it left cannot be removed: {error}"));
        }
        drop(lock);
        ending
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
                let _ = events.send((stage, Event::Log { level: Level::Warning, message }));
            })
        });
        tokio::select! {
            claimed = claimed => claimed.map(|()| true),
            () = asked(self.control.clone(), |control| control.cancel != Cancel::No) => Ok(false),
        }
    }

    /// The stage's secrets, or why there are none; `None` when the run is stopped meanwhile. Whoever hands one out through a FIFO may
    /// keep us waiting for it, and neither the loop nor whoever stops the run waits along.
    async fn secrets(&self) -> Result<Option<Result<Vec<Secret>, FailureReport>>, EngineError> {
        let stage = self.stage;
        if self.shared.plan.graph[stage].conduct.secrets.is_empty() {
            return Ok(Some(Ok(Vec::new())));
        }
        let read = blocking(&self.shared, move |shared| {
            Ok(secrets::read(&shared.plan.graph[stage].conduct.secrets, &shared.plan.root))
        });
        tokio::select! {
            secrets = read => secrets.map(Some),
            () = asked(self.control.clone(), |control| control.cancel != Cancel::No) => Ok(None),
        }
    }

    async fn run_prepared(&self, prepared: Prepared, inputs: &Arc<Vec<PlacedInput>>) -> Result<Ending, EngineError> {
        prepared.displaced.iter().for_each(|moved| self.warn(moved.clone()));
        let stage = &self.shared.plan.graph[self.stage];
        let secrets = match self.secrets().await? {
            Some(Ok(secrets)) => secrets,
            Some(Err(failure)) => return Ok(Ending::failed(failure, Usage::default())),
            None => return Ok(Ending::Interrupted),
        };
        let mut program = prepared.program;
        show_gpus(self.gpus.as_deref(), &mut program.environment);
        let (files, variables): (Vec<_>, Vec<_>) = secrets.iter().partition(|it| it.form == SecretForm::File);
        program.environment.extend(variables.into_iter().map(|it| ((&it.variable).into(), (&it.value).into())));
        let secret_files = files.into_iter().map(|it| ((&it.variable).into(), it.value.clone().into_bytes())).collect();
        let hidden: Vec<String> =
            secrets.iter().map(|secret| secret.value.trim_end_matches(['\n', '\r']).to_owned()).collect();
        let launch = Launch {
            program,
            protocol: prepared.protocol,
            trace: Trace { run: self.shared.options.run.clone(), stage: stage.name.to_string() },
            log: Execution::log_path(&self.shared, self.stage),
            grace: GRACE,
            timeout: stage.conduct.timeout,
            secrets: hidden.clone(),
            secret_files,
            jobs: workspace::threads(stage),
            sight: prepared.sight,
        };
        failpoint::reach(Failpoint::BeforeSpawn);
        let (sender, receiver) = unbounded_channel();
        let running = self.backend.run(launch, sender, self.control.clone());
        let (outcome, metrics) = tokio::join!(running, self.relay(receiver));
        let outcome = outcome
            .map_err(|error| EngineError { kind: EngineErrorKind::Backend { stage: stage.name.to_string(), error } })?;
        // Now, whatever came of it: a stage that fails may have written into the inputs of those beside it.
        let inputs = Arc::clone(inputs);
        let spoiled = match inputs.is_empty() {
            true => Vec::new(),
            false => {
                let look = blocking(&self.shared, move |shared| spoiled::spoiled(shared, &inputs));
                let Some(spoiled) = self.unless_abandoned(look).await? else { return Ok(Ending::Abandoned) };
                spoiled
            }
        };
        match outcome {
            Outcome::Finished(_) | Outcome::Failed(_) if !spoiled.is_empty() => Ok(Ending::Spoiled(spoiled)),
            Outcome::Finished(usage) => self.keep(prepared.outputs, metrics, usage, hidden).await,
            Outcome::Failed(failure) => {
                let log = Execution::log_path(&self.shared, self.stage);
                let told = script::told(stage, &prepared.directory, &log, &failure);
                let told = told.map(|text| redacted(text, &hidden));
                let missing = script::help(stage, &failure);
                let undeclared = || undeclared::help(&self.shared.plan, &self.shared.store, stage, &log);
                let help = missing.or_else(undeclared).or(failure.help);
                let card = fault::card_of(&self.shared.plan, stage).filter(|_| failure.class == FailureClass::NotBuilt);
                let help = match (card, help) {
                    (Some(card), Some(help)) => Some(format!("{help}; {card} names it")),
                    (_, help) => help,
                };
                let report = FailureReport { class: failure.class, message: told.unwrap_or(failure.message), help };
                Ok(Ending::failed(report, failure.usage))
            }
            Outcome::Interrupted(_) => {
                for input in &spoiled {
                    self.warn(input.describe(stage, &self.resolved).0);
                }
                Ok(Ending::Interrupted)
            }
        }
    }

    /// The result of file-system work, or `None` when the run is to end at once: nobody who presses Ctrl-C twice waits for a
    /// large file to be read. The work goes on, and what it does is whole at every moment, until the program ends.
    async fn unless_abandoned<T>(
        &self,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<Option<T>, EngineError> {
        tokio::select! {
            done = work => match done {
                // It was told to break off.
                Err(_) if self.control.borrow().abandoned => Ok(None),
                done => done.map(Some),
            },
            () = asked(self.control.clone(), |control| control.abandoned) => Ok(None),
        }
    }

    fn warn(&self, message: String) {
        // The loop outlives its tasks; were it gone, there would be nobody to warn.
        let _ = self.events.send((self.stage, Event::Log { level: Level::Warning, message }));
    }

    /// Passes events on to the run loop and keeps the last value of each metric; ends when the backend drops its sender.
    async fn relay(&self, mut receiver: UnboundedReceiver<Event>) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        while let Some(event) = receiver.recv().await {
            if let Event::Metric { name, value, .. } = &event {
                metrics.insert(name.clone(), *value);
            }
            // The loop outlives its tasks; were it gone, there would be nobody to show the event to.
            let _ = self.events.send((self.stage, event));
        }
        metrics
    }

    /// Takes the outputs into the store, then writes the record: blobs first, so that a crash leaves garbage but never a lie.
    async fn keep(
        &self,
        paths: Vec<PathBuf>,
        metrics: BTreeMap<String, f64>,
        usage: Usage,
        hidden: Vec<String>,
    ) -> Result<Ending, EngineError> {
        let (stage, resolved) = (self.stage, Arc::clone(&self.resolved));
        let record = blocking(&self.shared, move |shared| {
            let planned = &shared.plan.graph[stage];
            let mut outputs = BTreeMap::new();
            for (output, path) in planned.outputs.iter().zip(&paths) {
                let artifact = match shared.store.adopt(path, output.artifact.form()) {
                    Ok(artifact) => artifact,
                    Err(error) => return unfit(&shared.store, planned, output, path, error),
                };
                outputs.insert(output.port.as_str().to_owned(), artifact);
            }
            for output in &planned.outputs {
                publishing::finished(shared, &output.destination).map_err(EngineError::store)?;
            }
            failpoint::reach(Failpoint::AfterBlobs);
            let written = match figures::read(planned, &outputs, &shared.store)? {
                Ok(written) => written,
                Err(failure) => {
                    return Ok(Err(FailureReport { message: redacted(failure.message, &hidden), ..failure }));
                }
            };
            // An event has the last word over a file.
            let written = written.into_iter().map(|(name, value)| (redacted(name, &hidden), value));
            let metrics = written.chain(metrics).collect();
            let unmoved = resolve::still_there(&shared.plan, stage, &resolved, &shared.store)?;
            let record = Record {
                format: RECORD_FORMAT,
                key: resolved.key,
                action: resolved.action.clone(),
                outputs,
                metrics,
                usage,
                host: crate::governor::host_name(),
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
            }
            let left = shared.store.drop_checkpoints(&resolved.key).err();
            Ok(Ok((record, differing, unmoved, left)))
        });
        let Some(record) = self.unless_abandoned(record).await? else { return Ok(Ending::Abandoned) };
        Ok(match record {
            Ok((record, differing, unmoved, left)) => {
                if let Some(error) = left {
                    self.warn(format!("checkpoints that nobody needs any more cannot be removed: {error}"));
                }
                if !unmoved {
                    self.warn("an input changed while it ran: its result is used now and not recorded".to_owned());
                }
                Ending::Ran { record: Box::new(record), differing }
            }
            Err(failure) => Ending::unfit(failure, usage),
        })
    }
}

/// The right to execute the action `key`. That a run around this one has it is the stage's failure: it would wait for ever.
fn lock(shared: &Shared, key: &Digest) -> Result<Result<ActionLock, FailureReport>, EngineError> {
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

/// What a program left where an output belongs cannot be kept: the stage's failure, unless the store itself broke.
fn unfit<T>(
    store: &Store,
    stage: &PlannedStage,
    output: &PlannedOutput,
    path: &Path,
    error: StoreError,
) -> Result<Result<T, FailureReport>, EngineError> {
    if !fault::is_of_stage(store, Some(path), &error) {
        return Err(EngineError::store(error));
    }
    let inside = error.path.strip_prefix(path).unwrap_or(&error.path).to_string_lossy();
    let found = match &error.kind {
        StoreErrorKind::NotFound if inside.is_empty() => "nothing lies there".to_owned(),
        StoreErrorKind::NotFile { found } | StoreErrorKind::NotDirectory { found } if inside.is_empty() => {
            format!("{found} lies there")
        }
        kind if inside.is_empty() => format!("of what lies there: {kind}"),
        kind => format!("of `{}` in it: {kind}", fault::shortened(&inside)),
    };
    let form = if output.artifact.form() == Form::Dir { "directory" } else { "file" };
    Ok(Err(FailureReport {
        class: FailureClass::InvalidInput,
        message: format!(
            "output `{}` should be a {form} at {}, but {found}",
            output.port,
            output.destination.display()
        ),
        help: Some(fault::unlike(stage, output, path)),
    }))
}

/// Shows a program the GPUs that it holds and no others. Who names the variable in `env:` has chosen for themselves.
fn show_gpus(gpus: Option<&str>, environment: &mut Vec<(OsString, OsString)>) {
    let Some(gpus) = gpus else { return };
    for name in ["CUDA_VISIBLE_DEVICES", "PIPE_GPUS"] {
        if !environment.iter().any(|(declared, _)| declared == name) {
            environment.push((name.into(), gpus.into()));
        }
    }
}

/// Returns when this is asked of the execution.
async fn asked(mut control: watch::Receiver<Control>, this: impl FnMut(&Control) -> bool) {
    if control.wait_for(this).await.is_err() {
        // Nobody is left who could ask.
        std::future::pending().await
    }
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
