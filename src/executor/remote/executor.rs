//! The executor of one backend beyond this machine: the state that its executions share, and the thread of each.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use super::allowance::Allowance;
use super::board::Board;
use super::driver::Drive;
use super::launcher::Launcher;
use super::place::RemotePlace;
use super::teller::Teller;
use crate::executor::{Control, Events, Executing, Execution, Executor, ExecutorError, Order};
use crate::plan::Plan;
use crate::remote::{Conditions, FailedClass, Remote, RemoteError, TransferError};
use crate::store::Store;

/// Carries out actions at a place beyond this machine.
pub struct RemoteExecutor {
    site: Arc<Site>,
}

/// The state that every execution at a place shares.
pub(super) struct Site {
    /// The backend's name.
    pub name: String,
    pub place: RemotePlace,
    pub store: Arc<Store>,
    /// Needed to guess the cause of a failed command; its root is closed to instances on this machine.
    pub plan: Arc<Plan>,
    /// What the run may cost at all places together.
    allowance: Option<Arc<Allowance>>,
    /// Opened when it is first needed.
    opened: Mutex<Option<Arc<Opened>>>,
}

/// A place that was opened.
struct Opened {
    remote: Arc<Remote>,
    launcher: Box<dyn Launcher>,
}

impl RemoteExecutor {
    /// An executor for the backend `name`. Nothing is opened or started yet.
    pub fn new(
        name: &str,
        place: RemotePlace,
        store: &Arc<Store>,
        plan: &Arc<Plan>,
        allowance: Option<Arc<Allowance>>,
    ) -> RemoteExecutor {
        let (name, store, plan) = (name.to_owned(), Arc::clone(store), Arc::clone(plan));
        RemoteExecutor { site: Arc::new(Site { name, place, store, plan, allowance, opened: Mutex::default() }) }
    }
}

impl Executor for RemoteExecutor {
    fn execute<'a>(&'a self, order: Arc<Order>, control: watch::Receiver<Control>, events: Events) -> Executing<'a> {
        let site = Arc::clone(&self.site);
        Box::pin(async move {
            let (sender, mut receiver) = unbounded_channel();
            let drive = move || {
                let counting = site.allowance.clone().map(|allowance| (allowance, order.key));
                let teller = Teller::new(&site.name, sender, counting);
                let result = site.opened().map_err(TransferError::from).and_then(|place| {
                    let board = Board::new(&place.remote, order.key);
                    Drive { site: &site, launcher: place.launcher.as_ref(), board, order, control, teller }.run()
                });
                match result {
                    // It broke off a transfer because the user wants to leave.
                    Err(error) if error.is_interruption() => Ok(Execution::Interrupted),
                    Err(error) => Err(ExecutorError::Place { name: site.name.clone(), error }),
                    Ok(execution) => Ok(execution),
                }
            };
            let relay = async {
                while let Some(told) = receiver.recv().await {
                    events(told);
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
    fn opened(&self) -> Result<Arc<Opened>, RemoteError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(Arc::clone(opened));
        }
        let (remote, launcher) = self.place.open()?;
        if remote.establish()? == Conditions::Ignored {
            let message =
                "its object store does not heed the conditions of writes, so that nobody can hold a lease there";
            let help = "use it for artifacts only, and another one for stages";
            return Err(RemoteError::new(FailedClass::Unsupported, message).help(help));
        }
        Ok(Arc::clone(opened.insert(Arc::new(Opened { remote, launcher }))))
    }
}
