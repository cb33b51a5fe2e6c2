//! The private directory of a stage, for a person to look around in: as an execution would find it, and with nothing recorded of
//! the work there. Behind `pipe shell`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use super::place::{FailedWork, Site};
use super::secrets::Secret;
use super::workspace::{self, Checkpoints, Prepared};
use super::{script, secrets};
use crate::backend::{Program, keep_from_debuggers, outer_runs, sealed};
use crate::backend::{RUN_ID, STAGE_ID};
use crate::executor::fault::Fault;
use crate::executor::{ExecutorError, FailureReport, Order, Programs};
use crate::plan::Plan;
use crate::remote::Vault;
use crate::spec::SecretForm;
use crate::store::{Store, remove_tree};

/// A stage's directory with everything in place. It is removed with this value.
pub struct Workbench {
    /// The program that a run would start, where, and with which variables.
    pub program: Program,
    /// The script, where the program runs a text.
    pub script: Option<String>,
    /// The names of those variables whose values are never shown.
    pub secret: Vec<String>,
    /// Secrets that a program there reads from a descriptor, which it inherits.
    _files: Vec<OwnedFd>,
    directory: PathBuf,
}

impl Workbench {
    /// Lays out the directory for `order`, or says why a run would fail here as well.
    pub fn open(
        plan: &Arc<Plan>,
        store: &Arc<Store>,
        order: &Order,
        vault: Vault,
    ) -> Result<Result<Workbench, FailureReport>, ExecutorError> {
        let secrets = match secrets::read(&order.secrets, &plan.root, &vault) {
            Ok(secrets) => secrets,
            Err(failure) => return Ok(Err(failure)),
        };
        let (plan, store) = (Arc::clone(plan), Arc::clone(store));
        let site = Site { plan, store, failed_work: FailedWork::Remove, programs: Programs::Beside, vault };
        let prepared = match workspace::prepare(&site, order, Checkpoints::Apart).map_err(Fault::from) {
            Ok(prepared) => prepared,
            Err(Fault::Stage(failure)) => return Ok(Err(failure)),
            Err(Fault::Place(error)) => return Err(error),
        };
        let Prepared { directory, mut program, .. } = prepared;
        let script = script::text(order);
        let secret = secrets.iter().map(|secret| secret.variable.clone()).collect();
        if !secrets.is_empty() {
            keep_from_debuggers();
        }
        let mut files = Vec::new();
        for Secret { variable, value, form } in secrets {
            let value = match form {
                SecretForm::Variable => value,
                SecretForm::File => {
                    let file = inherited(value.as_bytes()).map_err(|e| ExecutorError::system("giving a secret", e))?;
                    let path = format!("/dev/fd/{}", file.as_raw_fd());
                    files.push(file);
                    path
                }
            };
            program.environment.push((variable.into(), value.into()));
        }
        program.environment.push((RUN_ID.into(), order.trace.run.clone().into()));
        program.environment.push((STAGE_ID.into(), order.trace.to_string().into()));
        program.environment.extend(outer_runs().map(|(name, runs)| (name.into(), runs.into())));
        Ok(Ok(Workbench { program, script, secret, _files: files, directory }))
    }
}

/// A file in memory that every program this process starts can read.
fn inherited(value: &[u8]) -> std::io::Result<OwnedFd> {
    let file = sealed(value)?;
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?;
    Ok(file)
}

impl Drop for Workbench {
    fn drop(&mut self) {
        // A file that stays, because it is somebody else's, is removed with the work directory of this process, or by the next one.
        let _ = remove_tree(&self.directory);
    }
}
