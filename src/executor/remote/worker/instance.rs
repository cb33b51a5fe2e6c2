//! One attempt at one action, from the lease to the end of the attempt.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{FailureClass, Usage};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::checkpoints;
use super::keeper::{Asking, Keeper};
use super::speaker::{Remaining, Speaker};
use crate::action::ActionKey;
use crate::executor::local::{FailedWork, LocalExecutor, log_path};
use crate::executor::remote::board::Board;
use crate::executor::remote::bundle::{own_program, unpacked};
use crate::executor::remote::documents::{Attempt, End, FORMAT, Intent, Outcome};
use crate::executor::remote::driver::wanted;
use crate::executor::remote::lease::{Held, unix_seconds};
use crate::executor::remote::pace::patiently;
use crate::executor::{Control, Execution, Executor, ExecutorError, FailureReport, Order, Programs, Reuse, Told};
use crate::governor::host_name;
use crate::plan::{Plan, SecretSource};
use crate::remote::{FailedClass, Meter, Place, Pulled, Remote, RemoteError, TransferError, Vault};
use crate::store::{Artifact, RECORD_FORMAT, Record, Store, remove_tree};

/// How long an instance may take to end after its lifetime; then it exits at once.
const GRACE: Duration = Duration::from_secs(90);

/// The task of an instance.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Where the objects are.
    pub state: Place,
    /// Its own directory, which it makes and removes.
    pub directory: PathBuf,
    /// Another directory that is closed to private commands: the project's root, for an instance on the client's machine.
    pub project: PathBuf,
    /// The action.
    pub key: ActionKey,
    /// The attempt.
    pub attempt: u32,
}

/// How an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The attempt is over, with or without a result.
    Done,
    /// It was interrupted; the next one goes on.
    Interrupted,
    /// Another attempt is the one that counts, so nothing was written.
    Fenced,
}

/// Carries out the attempt.
pub fn work(assignment: &Assignment) -> Result<Departure, ExecutorError> {
    attempt(assignment).map_err(|error| ExecutorError::Place { name: assignment.state.to_string(), error })
}

fn attempt(assignment: &Assignment) -> Result<Departure, TransferError> {
    let Assignment { state, key, attempt, directory, .. } = assignment;
    let remote = Arc::new(Remote::open(state)?);
    let board = Board::new(&remote, *key);
    let missing = || RemoteError::new(FailedClass::Missing, "nobody meant to launch this attempt");
    let Intent { place, timing, bundle, .. } = board.intent(*attempt)?.ok_or_else(missing)?;
    let owner = format!("{} {}", host_name(), std::process::id());
    let Some(held) = Held::take(&board, *attempt, owner, timing.lease)? else {
        let _ = remove_tree(directory);
        return Ok(Departure::Fenced);
    };
    let (held, started) = (Arc::new(held), unix_seconds());
    let (asking, control) = Asking::new();
    listen(&asking);
    end_in_time(&asking, timing.lifetime);
    let keeper = Keeper::start(board.clone(), Arc::clone(&held), asking.clone());
    let instance = Instance { assignment, place, bundle, board: &board, held: &held, asking: &asking };
    let end = match instance.carry_out(control) {
        Ok(end) => end,
        Err(error) => End::Broken { message: error.to_string() },
    };
    let departure = if let End::Interrupted { .. } = end { Departure::Interrupted } else { Departure::Done };
    keeper.end();
    // Best effort: the rest is removed with the instance.
    let _ = remove_tree(directory);
    if !held.permits_now() {
        return Ok(Departure::Fenced);
    }
    let ended = Attempt { epoch: *attempt, host: host_name(), started, ended: unix_seconds(), end };
    // The lease is not renewed any more, so it is not waited for long.
    let last = Instant::now() + timing.lease / 4;
    patiently(remote.pace(), |_| Instant::now() < last, || Ok(board.write_attempt(&ended)?))?;
    held.release();
    Ok(departure)
}

struct Instance<'a> {
    assignment: &'a Assignment,
    /// The backend's name, for the record.
    place: String,
    /// The programs that it runs.
    bundle: Artifact,
    board: &'a Board,
    held: &'a Arc<Held>,
    asking: &'a Asking,
}

impl Instance<'_> {
    fn carry_out(&self, control: watch::Receiver<Control>) -> Result<End, ExecutorError> {
        let Assignment { directory, key, attempt, project, .. } = self.assignment;
        let made = std::fs::create_dir_all(directory);
        made.map_err(|error| ExecutorError::system("making the directory of an instance", error))?;
        let store = Arc::new(Store::open(&directory.join("store"))?);
        let mut order = self.patiently(|| self.order(&store))?;
        if order.reuse == Reuse::Allowed
            && let Some(end) = self.patiently(|| self.already(&store, &order))?
        {
            return Ok(end);
        }
        let programs = self.patiently(|| self.fetch(&store, &order))?;
        // A guardian ends the processes that carry the mark of its run. The client's run may end before this does, and another instance on
        // this machine may carry out the same attempt at the same action: for another project, or at another place.
        order.trace.run = format!("{}-{attempt}-{}", key.short(), std::process::id());
        let plan = Arc::new(Plan::without_stages(project.clone()));
        // The program that serves the objects here reads secrets with the credentials of the instance.
        let started_with = (programs, Vault::Of(Arc::clone(&self.board.remote)));
        let executor = LocalExecutor::start(&plan, &store, &order.trace.run, FailedWork::Remove, started_with)?;
        let log = log_path(&store, &order.trace.run, &order.trace.stage);
        let speaker = Speaker::start(self.board.clone(), Arc::clone(&store), Arc::clone(self.held), log);
        let order = Arc::new(order);
        let execution = execute(&executor, Arc::clone(&order), control, &speaker);
        let is_done = matches!(execution, Ok(Execution::Finished { .. }));
        speaker.end(if is_done { Remaining::Words } else { Remaining::WordsAndCheckpoint });
        self.conclude(&store, &order, execution?)
    }

    fn order(&self, store: &Store) -> Result<Order, TransferError> {
        let wrong = |message: &str| RemoteError::new(FailedClass::Invalid, message);
        let spec = self.board.spec(store)?.ok_or_else(|| wrong("nobody said what is to be done"))?;
        let order = spec.order;
        if spec.format != FORMAT || order.key != self.board.key || order.action.key() != self.board.key {
            return Err(wrong("what is to be done is not the action that was launched").into());
        }
        if order.secrets.iter().any(|secret| !matches!(secret.source, SecretSource::Kept(_))) {
            return Err(wrong("secrets of the user's machine do not travel").into());
        }
        Ok(order)
    }

    /// The look before anything is executed: somebody else may have been faster.
    fn already(&self, store: &Store, order: &Order) -> Result<Option<End>, TransferError> {
        if self.board.result()?.is_some() {
            return Ok(Some(End::Finished {}));
        }
        let found = self.board.remote.records(store, &[wanted(order)], &Meter::default(), &mut |_| ())?;
        Ok(matches!(found[..], [Pulled::Here(_)]).then_some(End::Found {}))
    }

    /// Fills the store with the programs, the inputs of the action and the checkpoint to resume from. Returns the programs.
    fn fetch(&self, store: &Store, order: &Order) -> Result<Programs, TransferError> {
        let own = own_program(store)?;
        let inputs = order.inputs.iter().map(|input| &input.content);
        let files = order.worker.files().iter().map(|(_, artifact)| artifact);
        let artifacts: Vec<_> = inputs.chain(files).chain([&self.bundle]).cloned().collect();
        let refused = self.board.remote.fetch(store, &artifacts, &Meter::default(), &mut |_| ())?;
        if let Some(refused) = refused.into_values().next() {
            return Err(RemoteError::new(
                FailedClass::Broken,
                format!("something that it needs cannot come: {refused}"),
            )
            .into());
        }
        checkpoints::bring(self.board, store)?;
        unpacked(store, &self.bundle, &own)
    }

    fn conclude(&self, store: &Store, order: &Order, execution: Execution) -> Result<End, ExecutorError> {
        let (noticed, expired) = (self.asking.noticed(), self.asking.expired());
        match execution {
            Execution::Finished { outputs, metrics, usage, host } => {
                let record = Record {
                    format: RECORD_FORMAT,
                    key: order.key,
                    action: order.action.clone(),
                    outputs,
                    metrics,
                    usage,
                    host,
                    backend: self.place.clone(),
                    run: order.trace.run.clone(),
                    stage: order.trace.stage.clone(),
                    finished_at: unix_seconds(),
                    source: order.source,
                };
                self.patiently(|| self.keep(store, &record))
            }
            Execution::Found(_) => Ok(End::Found {}),
            Execution::Failed(failed) => {
                Ok(End::Failed { failure: failed.failure, judged: failed.judged, usage: failed.usage })
            }
            Execution::Interrupted | Execution::Abandoned => Ok(End::Interrupted { noticed, expired }),
            Execution::Spoiled(inputs) => {
                let texts: Vec<_> = inputs.into_iter().map(|input| input.description).collect();
                let failure = FailureReport {
                    class: FailureClass::StageBug,
                    message: texts.join("; "),
                    help: Some("let it write to its outputs only".to_owned()),
                };
                Ok(End::Failed { failure, judged: FailureClass::StageBug, usage: Usage::default() })
            }
        }
    }

    /// Sends outputs, then the record, then the result, which is written once.
    fn keep(&self, store: &Store, record: &Record) -> Result<End, TransferError> {
        let outputs: Vec<_> = record.outputs.values().cloned().collect();
        self.board.remote.send(store, &outputs, &Meter::default(), &mut |_| ())?;
        if !self.held.permits_now() {
            return Ok(End::Interrupted { noticed: true, expired: false });
        }
        self.board.remote.push(store, std::slice::from_ref(record), &Meter::default(), &mut |_| ())?;
        let Record { key, outputs, metrics, usage, host, .. } = record.clone();
        let outcome = Outcome { format: FORMAT, key, epoch: self.held.epoch(), outputs, metrics, usage, host };
        if !self.held.permits_now() {
            return Ok(End::Interrupted { noticed: true, expired: false });
        }
        // Where another attempt was faster its result is as good.
        self.board.write_result(&outcome)?;
        // Best effort: nobody needs a checkpoint once the result is there.
        let _ = self.board.drop_checkpoints();
        Ok(End::Finished {})
    }

    /// Does this again while the place does not answer and the lease is held.
    fn patiently<T>(&self, work: impl FnMut() -> Result<T, TransferError>) -> Result<T, ExecutorError> {
        patiently(self.board.remote.pace(), |_| !self.held.is_lost(), work)
            .map_err(|error| ExecutorError::Place { name: self.assignment.state.to_string(), error })
    }
}

fn execute(
    executor: &LocalExecutor,
    order: Arc<Order>,
    control: watch::Receiver<Control>,
    speaker: &Speaker,
) -> Result<Execution, ExecutorError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ExecutorError::system("starting an instance", error))?;
    let words = speaker.words();
    // A closed channel means that the lease is lost.
    let events = Rc::new(move |told: Told| {
        if let Told::Worker(event) = told {
            drop(words.send(event));
        }
    });
    let execution = LocalSet::new().block_on(&runtime, executor.execute(order, control, events));
    runtime.shutdown_background();
    execution
}

/// Takes SIGTERM and SIGINT as notice to end; a second one kills the stage. SIGUSR1 asks for a checkpoint.
fn listen(asking: &Asking) {
    let asking = asking.clone();
    // Without them the instance ends as any program does, and the lease runs out.
    let Ok(mut signals) = Signals::new([SIGTERM, SIGINT, SIGUSR1]) else { return };
    std::thread::spawn(move || {
        let mut notices = 0;
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                asking.checkpoint();
                continue;
            }
            asking.stop(notices > 0);
            notices += 1;
        }
    });
}

/// Ends the instance when its lifetime is over, whatever it does then.
fn end_in_time(asking: &Asking, lifetime: Duration) {
    let asking = asking.clone();
    std::thread::spawn(move || {
        std::thread::sleep(lifetime);
        asking.expire();
        std::thread::sleep(GRACE);
        std::process::exit(3);
    });
}
