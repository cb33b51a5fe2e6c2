//! One execution on this machine, from private directory to outputs in the store.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::{Event, Usage};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::place::{FailedWork, Site};
use super::secrets::Secret;
use super::spoiled::{self, PlacedInput, Unprepared};
use super::workspace::{self, Checkpoints, Prepared};
use super::{adopt, left, script, secrets, undeclared};
use crate::backend::{Failure, Launch, Local, Outcome, redacted};
use crate::executor::fault::Fault;
use crate::executor::{
    Cancel, Control, Events, Execution, ExecutorError, FailureReport, Order, Told, asked, unless_abandoned,
};
use crate::failpoint::{self, Failpoint};
use crate::governor;
use crate::spec::SecretForm;

/// How long a stage may take to leave a checkpoint when the run is stopped.
const GRACE: Duration = Duration::from_secs(60);

/// An order that is being carried out.
pub(super) struct LocalExecution<'a> {
    pub site: Arc<Site>,
    pub backend: &'a Local,
    pub order: Arc<Order>,
    pub control: watch::Receiver<Control>,
    pub events: Events,
}

impl LocalExecution<'_> {
    pub(super) async fn run(&self) -> Result<Execution, ExecutorError> {
        let prepared = self.blocking(|site, order| {
            let log = site.log(order);
            let logs = log.parent().unwrap_or(&log);
            std::fs::create_dir_all(logs).map_err(|e| ExecutorError::system("making the directory of logs", e))?;
            match workspace::prepare(site, order, Checkpoints::OfKey) {
                Ok(prepared) => Ok(Ok(prepared)),
                Err(Unprepared::Spoiled(input, _)) => Ok(Err(Execution::Spoiled(vec![input]))),
                Err(Unprepared::Fault(Fault::Stage(failure))) => Ok(Err(Execution::unfit(failure, Usage::default()))),
                Err(Unprepared::Fault(Fault::Place(error))) => Err(error),
            }
        });
        let Some(prepared) = unless_abandoned(&self.control, prepared).await? else {
            return Ok(Execution::Interrupted);
        };
        let mut prepared = match prepared {
            Ok(prepared) => prepared,
            Err(execution) => return Ok(execution),
        };
        let directory = prepared.directory.clone();
        let inputs = Arc::new(std::mem::take(&mut prepared.inputs));
        let mut execution = self.run_prepared(prepared, &inputs).await;
        if let (FailedWork::Keep, Ok(Execution::Failed(failed))) = (self.site.failed_work, &mut execution) {
            failed.directory = Some(directory);
            return execution;
        }
        if let Ok(Execution::Abandoned) = execution {
            // Its outputs may still be read, by a thread that ends with the program. The next run sweeps the directory away.
            return execution;
        }
        // The directory is of no use to the next execution. Files that cannot be removed are named, and removed at a later
        // clean-up.
        let store = Arc::clone(&self.site.store);
        let remove = move || {
            let placed: Vec<_> = inputs.iter().map(|input| &input.placed).collect();
            store.remove_work(&directory, &placed)
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(remove).await {
            self.warn(format!("something that it left cannot be removed: {error}"));
        }
        execution
    }

    async fn run_prepared(
        &self,
        prepared: Prepared,
        inputs: &Arc<Vec<PlacedInput>>,
    ) -> Result<Execution, ExecutorError> {
        let secrets = match self.secrets().await? {
            Some(Ok(secrets)) => secrets,
            Some(Err(failure)) => return Ok(Execution::failed(failure, Usage::default())),
            None => return Ok(Execution::Interrupted),
        };
        let mut hidden: Vec<String> =
            secrets.iter().map(|secret| secret.value.trim_end_matches(['\n', '\r']).to_owned()).collect();
        hidden.extend_from_slice(&prepared.hidden);
        let Prepared { directory, outputs, .. } = &prepared;
        let (directory, outputs) = (directory.clone(), outputs.clone());
        let launch = self.launch(prepared, &secrets, &hidden);
        failpoint::reach(Failpoint::BeforeSpawn);
        let (sender, receiver) = unbounded_channel();
        let running = self.backend.run(launch, sender, self.control.clone());
        let (outcome, metrics) = tokio::join!(running, self.relay(receiver));
        let outcome =
            outcome.map_err(|error| ExecutorError::Backend { stage: self.order.trace.stage.clone(), error })?;
        // Now, for any outcome: a stage that fails may have written into the inputs of those beside it.
        let inputs = Arc::clone(inputs);
        let spoiled = match inputs.is_empty() {
            true => Vec::new(),
            false => {
                let look = self.blocking(move |site, order| spoiled::spoiled(site, order, &inputs));
                let Some(spoiled) = unless_abandoned(&self.control, look).await? else {
                    return Ok(Execution::Abandoned);
                };
                spoiled
            }
        };
        match outcome {
            Outcome::Finished(_) | Outcome::Failed(_) if !spoiled.is_empty() => Ok(Execution::Spoiled(spoiled)),
            Outcome::Finished(usage) => self.keep(outputs, metrics, usage, hidden).await,
            Outcome::Failed(failure) => Ok(self.failed(failure, (&directory, &outputs), &hidden)),
            Outcome::Interrupted(_) => {
                spoiled.into_iter().for_each(|input| self.warn(input.description));
                Ok(Execution::Interrupted)
            }
        }
    }

    fn launch(&self, prepared: Prepared, secrets: &[Secret], hidden: &[String]) -> Launch {
        let order = &self.order;
        let mut program = prepared.program;
        show_gpus(order.limits.gpus.as_deref(), &mut program.environment);
        let (files, variables): (Vec<_>, Vec<_>) = secrets.iter().partition(|it| it.form == SecretForm::File);
        program.environment.extend(variables.into_iter().map(|it| ((&it.variable).into(), (&it.value).into())));
        let secret_files = files.into_iter().map(|it| ((&it.variable).into(), it.value.clone().into_bytes())).collect();
        Launch {
            program,
            protocol: prepared.protocol,
            trace: order.trace.clone(),
            log: self.site.log(order),
            grace: GRACE,
            timeout: order.limits.timeout,
            secrets: hidden.to_vec(),
            known: prepared.known,
            secret_files,
            jobs: workspace::threads(order),
            sight: prepared.sight,
        }
    }

    /// The stage's secrets, or why there are none; `None` when the run is stopped meanwhile. A program that hands one out through a FIFO
    /// may keep this wait open, but neither the loop nor a user who stops the run waits along.
    async fn secrets(&self) -> Result<Option<Result<Vec<Secret>, FailureReport>>, ExecutorError> {
        if self.order.secrets.is_empty() {
            return Ok(Some(Ok(Vec::new())));
        }
        let read = self.blocking(|site, order| Ok(secrets::read(&order.secrets, &site.plan.root, &site.vault)));
        tokio::select! {
            secrets = read => secrets.map(Some),
            () = asked(self.control.clone(), |control| control.cancel != Cancel::No) => Ok(None),
        }
    }

    /// The execution that a failed launch leads to, with its cause as far as it can be told.
    fn failed(&self, failure: Failure, (directory, outputs): (&Path, &[PathBuf]), hidden: &[String]) -> Execution {
        let (site, order) = (&self.site, &self.order);
        let log = site.log(order);
        let told = script::told(order, directory, &log, &failure).map(|text| redacted(text, hidden));
        let undeclared = || undeclared::help(&site.plan, &site.store, &order.trace.stage, &log);
        let help = script::help(order, &failure).or_else(undeclared).or(failure.help);
        let help = match left::keep(site, order, outputs) {
            Ok(Some(kept)) => Some(left::told(help, &site.plan.root, &kept)),
            Ok(None) => help,
            Err(error) => {
                self.warn(format!("what it wrote cannot be kept: {error}"));
                help
            }
        };
        let report = FailureReport { class: failure.class, message: told.unwrap_or(failure.message), help };
        Execution::failed(report, failure.usage)
    }

    /// Takes the outputs into the store.
    async fn keep(
        &self,
        paths: Vec<PathBuf>,
        metrics: BTreeMap<String, f64>,
        usage: Usage,
        hidden: Vec<String>,
    ) -> Result<Execution, ExecutorError> {
        let kept = self.blocking(move |site, order| adopt::adopt(site, order, &paths, &hidden));
        let Some(kept) = unless_abandoned(&self.control, kept).await? else { return Ok(Execution::Abandoned) };
        Ok(match kept {
            Ok((outputs, written)) => {
                // An event has the last word over a file.
                let metrics = written.into_iter().chain(metrics).collect();
                Execution::Finished { outputs, metrics, usage, host: governor::host_name() }
            }
            Err(failure) => Execution::unfit(failure, usage),
        })
    }

    /// Passes events on and keeps the last value of each metric; ends when the backend drops its sender.
    async fn relay(&self, mut receiver: UnboundedReceiver<Event>) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        while let Some(event) = receiver.recv().await {
            if let Event::Metric { name, value, .. } = &event {
                metrics.insert(name.clone(), *value);
            }
            (self.events)(event.into());
        }
        metrics
    }

    fn warn(&self, message: String) {
        (self.events)(Told::warning(message));
    }

    /// Runs file-system work off the loop's thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Site, &Order) -> Result<T, ExecutorError> + Send + 'static,
    ) -> Result<T, ExecutorError> {
        let (site, order) = (Arc::clone(&self.site), Arc::clone(&self.order));
        match tokio::task::spawn_blocking(move || work(&site, &order)).await {
            Ok(result) => result,
            Err(error) => Err(ExecutorError::system("file-system work of a stage", error.into())),
        }
    }
}

/// Shows a program the GPUs that it holds and no others. A stage that names the variable in `env:` sets it itself.
fn show_gpus(gpus: Option<&str>, environment: &mut Vec<(OsString, OsString)>) {
    let Some(gpus) = gpus else { return };
    for name in ["CUDA_VISIBLE_DEVICES", "PIPE_GPUS"] {
        if !environment.iter().any(|(declared, _)| declared == name) {
            environment.push((name.into(), gpus.into()));
        }
    }
}
