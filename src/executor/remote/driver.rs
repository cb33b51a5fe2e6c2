//! The client's side: sees to it that one instance carries out an action, and brings home what that gives.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use contract::types::Form;
use contract::{Event, Level};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::board::Board;
use super::documents::{Attempt, End, FORMAT, Intent, Outcome, Spec};
use super::following::{Followed, Following, Progress};
use super::lease::unix_seconds;
use super::loopback::Loopback;
use super::standing::{Step, next};
use super::worker::checkpoints;
use crate::executor::local::log_path;
use crate::executor::{Cancel, Control, Events, Executing, Execution, Executor, ExecutorError, Failed, Order, Reuse};
use crate::failpoint::{self, Failpoint};
use crate::governor::host_name;
use crate::remote::{Conditions, FailedClass, Meter, Pulled, Remote, RemoteError, TransferError, Wanted};
use crate::store::{Artifact, Shape, Store};

/// Instances that are launched for one execution, when one after the other is lost or interrupted.
const LAUNCHES: u32 = 50;

/// Carries out actions at a place beyond this machine.
pub struct RemoteExecutor {
    site: Arc<Site>,
}

/// What every execution at a place works with.
struct Site {
    /// The backend's name.
    name: String,
    loopback: Loopback,
    store: Arc<Store>,
    /// The project's root.
    project: PathBuf,
    /// Opened when it is first needed.
    remote: Mutex<Option<Arc<Remote>>>,
}

impl RemoteExecutor {
    /// An executor for the backend `name`. Nothing is opened or started yet.
    pub fn new(name: &str, loopback: Loopback, store: &Arc<Store>, project: PathBuf) -> RemoteExecutor {
        let (name, store) = (name.to_owned(), Arc::clone(store));
        RemoteExecutor { site: Arc::new(Site { name, loopback, store, project, remote: Mutex::default() }) }
    }
}

impl Executor for RemoteExecutor {
    fn execute<'a>(&'a self, order: Arc<Order>, control: watch::Receiver<Control>, events: Events) -> Executing<'a> {
        let site = Arc::clone(&self.site);
        Box::pin(async move {
            let (sender, mut receiver) = unbounded_channel();
            let drive = move || {
                let drive = Drive { site, order, control, events: sender };
                match drive.run() {
                    // It broke off a transfer because the user wants to leave.
                    Err(error) if error.is_interruption() => Ok(Execution::Interrupted),
                    Err(error) => Err(ExecutorError::Place { name: drive.site.name.clone(), error }),
                    Ok(execution) => Ok(execution),
                }
            };
            let relay = async {
                while let Some(event) = receiver.recv().await {
                    events(event);
                }
            };
            match tokio::join!(tokio::task::spawn_blocking(drive), relay) {
                (Ok(driven), ()) => driven,
                (Err(error), ()) => Err(ExecutorError::system("following a stage", error.into())),
            }
        })
    }
}

impl Site {
    fn remote(&self) -> Result<Arc<Remote>, RemoteError> {
        let mut opened = self.remote.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = &*opened {
            return Ok(Arc::clone(remote));
        }
        let remote = Arc::new(Remote::open(&self.loopback.place())?);
        if remote.establish()? == Conditions::Ignored {
            let message =
                "its object store does not heed the conditions of writes, so that nobody can hold a lease there";
            let help = "use it for artifacts only, and another one for stages";
            return Err(RemoteError::new(FailedClass::Unsupported, message).help(help));
        }
        *opened = Some(Arc::clone(&remote));
        Ok(remote)
    }
}

/// An order that is being carried out elsewhere. It lives on a thread of its own and blocks.
struct Drive {
    site: Arc<Site>,
    order: Arc<Order>,
    control: watch::Receiver<Control>,
    events: UnboundedSender<Event>,
}

impl Drive {
    fn run(&self) -> Result<Execution, TransferError> {
        let board = Board::new(&self.site.remote()?, self.order.key);
        let mut log = self.log()?;
        let mut newest = board.newest()?;
        let mut ended = newest > 0 && board.attempt(newest)?.is_some();
        let mut reuse = self.order.reuse;
        match reuse {
            Reuse::Allowed => {
                if let Some(execution) = self.already(&board)? {
                    return Ok(execution);
                }
            }
            // Of what lives somebody waits for the result.
            Reuse::Refused if newest == 0 || ended => {
                board.drop_result()?;
                board.drop_checkpoints()?;
            }
            Reuse::Refused => {}
        }
        let mut launches = 0;
        loop {
            match next(newest, ended) {
                Step::Launch(_) if self.control.borrow().cancel != Cancel::No => return Ok(Execution::Interrupted),
                Step::Launch(attempt) => {
                    launches += 1;
                    if launches > LAUNCHES {
                        let message = format!("{LAUNCHES} instances in a row were lost or interrupted");
                        return Err(RemoteError::new(FailedClass::Broken, message).into());
                    }
                    self.launch(&board, attempt, reuse)?;
                    // Whoever was first, this is the attempt to follow.
                    (newest, ended) = (attempt, false);
                }
                Step::Follow(attempt) => match self.follow(&board, attempt, &mut log)? {
                    Followed::Ended(end) => match self.conclude(&board, end, &mut reuse)? {
                        Some(execution) => return Ok(execution),
                        None => ended = true,
                    },
                    Followed::Lost => {
                        let lease = self.site.loopback.timing.lease;
                        self.warn(format!("attempt {attempt} has shown no life for {lease:?}; it is tried again"));
                        ended = true;
                    }
                    Followed::Superseded(attempt) => (newest, ended) = (attempt, false),
                    Followed::Left => return Ok(Execution::Interrupted),
                },
            }
        }
    }

    fn log(&self) -> Result<File, RemoteError> {
        let path = log_path(&self.site.store, &self.order.trace.run, &self.order.trace.stage);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(&path));
        made.map_err(|error| RemoteError::io(&path, &error))
    }

    /// What is there already: a result that nobody collected, or the record of somebody else.
    fn already(&self, board: &Board) -> Result<Option<Execution>, TransferError> {
        if let Some(outcome) = board.result()?
            && let Some(execution) = self.collect(board, outcome)?
        {
            return Ok(Some(execution));
        }
        self.found(board)
    }

    fn found(&self, board: &Board) -> Result<Option<Execution>, TransferError> {
        let wanted = wanted(&self.order);
        let pulled = board.remote.pull(&self.site.store, &[wanted], &Meter::default(), &mut self.watching())?;
        match pulled.into_iter().next() {
            Some(Pulled::Here(record)) => Ok(Some(Execution::Found(record))),
            Some(Pulled::Refused(why)) => {
                self.warn(format!("what `{}` has of it is not used: {why}", self.site.name));
                Ok(None)
            }
            Some(Pulled::Absent) | None => Ok(None),
        }
    }

    /// Brings the result home; `None`, and it is gone there, when it is not what the plan expects or its bytes are wrong.
    fn collect(&self, board: &Board, outcome: Outcome) -> Result<Option<Execution>, TransferError> {
        let why = match self.unfit(&outcome) {
            Some(why) => Some(why),
            None => {
                let outputs: Vec<Artifact> = outcome.outputs.values().cloned().collect();
                let refused =
                    board.remote.fetch(&self.site.store, &outputs, &Meter::default(), &mut self.watching())?;
                refused.into_values().next().map(|refused| refused.to_string())
            }
        };
        if let Some(why) = why {
            self.warn(format!("the result at `{}` is not used: {why}", self.site.name));
            board.drop_result()?;
            return Ok(None);
        }
        let Outcome { outputs, metrics, usage, host, .. } = outcome;
        Ok(Some(Execution::Finished { outputs, metrics, usage, host }))
    }

    fn unfit(&self, outcome: &Outcome) -> Option<String> {
        let ports = wanted(&self.order).ports;
        if outcome.format != FORMAT {
            return Some("another version of pipe wrote it".to_owned());
        }
        if outcome.key != self.order.key {
            return Some("it is that of another action".to_owned());
        }
        let forms = outcome.outputs.iter().map(|(port, artifact)| {
            let form = match artifact.shape {
                Shape::File { .. } => Form::File,
                Shape::Dir { .. } => Form::Dir,
            };
            (port, form)
        });
        if !forms.eq(ports.iter().map(|(port, form)| (port, *form))) {
            return Some("it has other outputs than the stage".to_owned());
        }
        outcome.metrics.values().any(|value| !value.is_finite()).then(|| "a metric of it is no number".to_owned())
    }

    /// Launches the attempt, unless another client is about to.
    fn launch(&self, board: &Board, attempt: u32, reuse: Reuse) -> Result<(), TransferError> {
        let Drive { site, order, .. } = self;
        let inputs = order.inputs.iter().map(|input| &input.content);
        let files = order.worker.files().iter().map(|(_, artifact)| artifact);
        let artifacts: Vec<Artifact> = inputs.chain(files).cloned().collect();
        board.remote.send(&site.store, &artifacts, &Meter::default(), &mut self.watching())?;
        if board.checkpoints()?.is_empty() {
            // What began here goes on there.
            checkpoints::send(board, &site.store, (0, 0), None)?;
        }
        let order = Order { reuse, ..Order::clone(order) };
        board.write_spec(&site.store, &Spec { format: FORMAT, order })?;
        let client = format!("{} {}", host_name(), std::process::id());
        let intent = Intent { attempt, place: site.name.clone(), client, timing: site.loopback.timing };
        if !board.intend(&intent)? {
            return Ok(());
        }
        failpoint::reach(Failpoint::AfterIntent);
        if let Err(error) = site.loopback.launch(&board.key, attempt, &site.project) {
            let message = error.to_string();
            let now = unix_seconds();
            let end = End::Broken { message: message.clone() };
            board.write_attempt(&Attempt { epoch: attempt, host: host_name(), started: now, ended: now, end })?;
            return Err(RemoteError::new(FailedClass::Broken, message).into());
        }
        Ok(())
    }

    fn follow(&self, board: &Board, attempt: u32, log: &mut File) -> Result<Followed, TransferError> {
        let lease = board.intent(attempt)?.map_or(self.site.loopback.timing.lease, |intent| intent.timing.lease);
        let mut following = Following {
            board,
            attempt,
            lease,
            place: &self.site.name,
            control: &self.control,
            events: &self.events,
            log,
            progress: Progress::default(),
        };
        Ok(following.follow()?)
    }

    /// What the end of an attempt means; `None`: another one is needed.
    fn conclude(&self, board: &Board, end: End, reuse: &mut Reuse) -> Result<Option<Execution>, TransferError> {
        match end {
            End::Finished {} => match board.result()? {
                Some(outcome) => self.collect(board, outcome),
                None => Ok(None),
            },
            End::Found {} => {
                let found = self.found(board)?;
                if found.is_none() {
                    // The next instance would find the same again.
                    *reuse = Reuse::Refused;
                }
                Ok(found)
            }
            End::Failed { failure, judged, usage } => {
                Ok(Some(Execution::Failed(Box::new(Failed { failure, judged, usage, directory: None }))))
            }
            End::Interrupted { noticed } => {
                // It may go on here.
                checkpoints::bring(board, &self.site.store)?;
                if !noticed || self.control.borrow().cancel != Cancel::No {
                    return Ok(Some(Execution::Interrupted));
                }
                self.warn(format!("its instance at `{}` had notice to end; it goes on at another one", self.site.name));
                Ok(None)
            }
            End::Broken { message } => Err(RemoteError::new(FailedClass::Broken, message).into()),
        }
    }

    /// Breaks transfers off when the run stops: nobody waits for a large file, and the next run goes on with it.
    fn watching(&self) -> impl FnMut(&Meter) + '_ {
        |meter| {
            if self.control.borrow().cancel != Cancel::No {
                meter.stop();
            }
        }
    }

    fn warn(&self, message: String) {
        // A closed channel means that the run has left.
        let _ = self.events.send(Event::Log { level: Level::Warning, message });
    }
}

/// The record of what `order` asks for.
pub(super) fn wanted(order: &Order) -> Wanted {
    let ports = order.outputs.iter().map(|output| (output.port.as_str().to_owned(), output.artifact.form()));
    Wanted { key: order.key, ports: BTreeMap::from_iter(ports) }
}
