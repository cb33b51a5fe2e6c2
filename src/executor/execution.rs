//! The seam to a place where actions are carried out, and how an execution went.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use contract::{FailureClass, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Control, ExecutorError, Order, Told};
use crate::store::{Artifact, Record};

/// A place where actions are carried out.
pub trait Executor {
    /// Carries out `order` to its end. Whatever it says goes to `events` as it comes; `control` asks it to end early or to
    /// pause.
    ///
    /// When this returns, nothing of the execution runs any more, its log is complete, and the outputs of one that finished are in
    /// the store. Dropping the future kills the program.
    fn execute<'a>(&'a self, order: Arc<Order>, control: watch::Receiver<Control>, events: Events) -> Executing<'a>;
}

/// Where the events of an execution go.
pub type Events = Rc<dyn Fn(Told)>;

/// The future that [`Executor::execute`] returns. Not `Send`: the run loop lives on one thread.
pub type Executing<'a> = Pin<Box<dyn Future<Output = Result<Execution, ExecutorError>> + 'a>>;

/// How an execution went. An action that failed is a value; an error means that the place broke.
#[derive(Debug)]
pub enum Execution {
    /// It gave its outputs.
    Finished {
        /// By port; all of them are in the store.
        outputs: BTreeMap<String, Artifact>,
        /// Last value of each metric.
        metrics: BTreeMap<String, f64>,
        /// Its usage.
        usage: Usage,
        /// The machine that ran it.
        host: String,
    },
    /// Somebody else had carried it out: this record is in the store now, with its outputs.
    Found(Box<Record>),
    /// It failed.
    Failed(Box<Failed>),
    /// It was asked to stop and did.
    Interrupted,
    /// The run ends at once, and its outputs are not all in the store.
    Abandoned,
    /// Its inputs are not those that its key names, so nothing that it gave is kept.
    Spoiled(Vec<SpoiledInput>),
}

impl Execution {
    pub(super) fn failed(failure: FailureReport, usage: Usage) -> Execution {
        Execution::Failed(Box::new(Failed::new(failure, usage)))
    }

    pub(super) fn unfit(failure: FailureReport, usage: Usage) -> Execution {
        Execution::Failed(Box::new(Failed::unfit(failure, usage)))
    }
}

/// A failed execution.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub failure: FailureReport,
    /// The class that decides whether another attempt may help.
    pub judged: FailureClass,
    /// Its usage.
    pub usage: Usage,
    /// Its private directory, when failed ones are kept; otherwise it is removed.
    pub directory: Option<PathBuf>,
}

impl Failed {
    /// A failure that is judged by its own class, and left nothing.
    pub fn new(failure: FailureReport, usage: Usage) -> Failed {
        Failed { judged: failure.class, failure, usage, directory: None }
    }

    /// A failure caused by the stage's inputs or by its leftovers. Both may differ the next time, so its retries count.
    pub fn unfit(failure: FailureReport, usage: Usage) -> Failed {
        Failed { judged: FailureClass::StageBug, ..Failed::new(failure, usage) }
    }
}

/// Why a stage failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureReport {
    /// Whose turn it is to act.
    pub class: FailureClass,
    /// The error, and where it was found.
    pub message: String,
    /// Advice to the user.
    pub help: Option<String>,
}

/// Which of the things that an action reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The input at this position.
    Input(usize),
    /// The file of its worker at this position.
    WorkerFile(usize),
}

/// Something that an action reads and that has changed.
#[derive(Debug)]
pub struct SpoiledInput {
    /// Which.
    pub source: Source,
    /// A description of it, and where it was found.
    pub description: String,
}

/// Returns when this is asked of the execution.
pub(crate) async fn asked(mut control: watch::Receiver<Control>, this: impl FnMut(&Control) -> bool) {
    if control.wait_for(this).await.is_err() {
        // Nobody is left who could ask.
        std::future::pending().await
    }
}

/// The result of file-system work, or `None` when the run is to end at once: nobody who presses Ctrl-C twice waits for a
/// large file to be read. The work goes on until the program ends, and leaves nothing half done.
pub(crate) async fn unless_abandoned<T, E>(
    control: &watch::Receiver<Control>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<Option<T>, E> {
    tokio::select! {
        done = work => match done {
            // It was told to break off.
            Err(_) if control.borrow().abandoned => Ok(None),
            done => done.map(Some),
        },
        () = asked(control.clone(), |control| control.abandoned) => Ok(None),
    }
}
