//! The executor of this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::execution::LocalExecution;
use crate::backend::{Confinement, Guardian, Local};
use crate::executor::{Control, Events, Executing, Executor, ExecutorError, Order, Programs};
use crate::plan::Plan;
use crate::remote::Vault;
use crate::store::Store;

/// Whether the private directory of a stage that failed is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedWork {
    /// It is removed.
    #[default]
    Remove,
    /// It is kept under `work/kept/<run>/<stage>`, for somebody to look at.
    Keep,
}

/// Carries out actions on this machine, as child processes of this one.
pub struct LocalExecutor {
    site: Arc<Site>,
    backend: Local,
}

/// The environment that every execution on this machine works with.
pub(super) struct Site {
    /// The project: its root, and the stages whose outputs a command may have forgotten to declare.
    pub plan: Arc<Plan>,
    pub store: Arc<Store>,
    pub failed_work: FailedWork,
    pub programs: Programs,
    pub vault: Vault,
}

impl LocalExecutor {
    /// An executor for the stages of `plan`, whose process trees end with this process. It starts `programs`, and asks `vault` for
    /// secrets that a service keeps.
    pub fn start(
        plan: &Arc<Plan>,
        store: &Arc<Store>,
        run: &str,
        failed_work: FailedWork,
        (programs, vault): (Programs, Vault),
    ) -> Result<LocalExecutor, ExecutorError> {
        let exe = std::env::current_exe().map_err(|e| ExecutorError::system("finding this program", e))?;
        let guardian = Guardian::start(&Guardian::command(&exe), run).map_err(ExecutorError::Guardian)?;
        let site = Site { plan: Arc::clone(plan), store: Arc::clone(store), failed_work, programs, vault };
        let backend = Local::new(guardian, site.confinement().as_ref());
        Ok(LocalExecutor { site: Arc::new(site), backend })
    }

    /// The process groups of the running stages, by stage.
    pub fn groups(&self) -> BTreeMap<String, u32> {
        self.backend.groups()
    }
}

impl Executor for LocalExecutor {
    fn execute<'a>(&'a self, order: Arc<Order>, control: watch::Receiver<Control>, events: Events) -> Executing<'a> {
        let (site, backend) = (Arc::clone(&self.site), &self.backend);
        Box::pin(async move { LocalExecution { site, backend, order, control, events }.run().await })
    }
}

impl Site {
    /// Where the log of `order` lies.
    pub(super) fn log(&self, order: &Order) -> PathBuf {
        log_path(&self.store, &order.trace.run, &order.trace.stage)
    }

    /// The paths that private commands may not open; `None` when they cannot be told, and then only the directory confines the commands.
    fn confinement(&self) -> Option<Confinement> {
        let project = std::fs::canonicalize(&self.plan.root).ok()?;
        // On a store that cannot be written nothing will be started.
        let work = std::fs::canonicalize(self.store.work_rooms().ok()?).ok()?;
        Some(Confinement { closed: vec![project, work] })
    }
}

/// Where the log of a stage of a run lies.
pub fn log_path(store: &Store, run: &str, stage: &str) -> PathBuf {
    store.run_dir(run).join("logs").join(format!("{stage}.log"))
}
