//! The private directory of a stage, for a person to look around in: as an execution would find it, and with nothing recorded of
//! what is done there. Behind `pipe shell`.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use contract::Job;

use super::fault::Fault;
use super::resolve::{self, Known, Resolved, Sources, Unresolved};
use super::{EngineError, FailureReport, Options, Shared, fault, hits};
use crate::backend::{Program, Trace, keep_from_debuggers, sealed};
use crate::executor::local::secrets::Secret;
use crate::executor::local::workspace::{self, Prepared};
use crate::executor::local::{script, secrets};
use crate::plan::{Plan, Sandbox, StageId, Work};
use crate::spec::SecretForm;
use crate::store::{Lookup, Placement, Store, remove_tree};

/// A stage's directory with everything in place. It is removed with this value.
pub struct Workbench {
    /// What a run would start, where, and with which variables.
    pub program: Program,
    /// The script, where a text is what it would run.
    pub script: Option<String>,
    /// The names of those variables whose values are never shown.
    pub secret: Vec<String>,
    /// Secrets that what runs there reads from a descriptor, which it inherits.
    _files: Vec<OwnedFd>,
    directory: PathBuf,
}

/// Why a directory could not be made.
pub enum NotReady {
    /// These stages must have run before.
    WaitsFor(Vec<StageId>),
    /// The stage has none: it runs at the project root.
    RunsInWorkspace,
    /// A run would fail here as well.
    Refused(FailureReport),
}

impl Workbench {
    /// Lays out the directory of `stage`.
    pub fn open(
        plan: Plan,
        store: &Arc<Store>,
        stage: StageId,
        options: Options,
    ) -> Result<Result<Workbench, (Plan, NotReady)>, EngineError> {
        if let Work::Command(command) = &plan.graph[stage].work
            && command.sandbox == Sandbox::Workspace
        {
            return Ok(Err((plan, NotReady::RunsInWorkspace)));
        }
        let resolved = match resolve_with_records(&plan, store, stage)? {
            Ok(resolved) => resolved,
            Err(reason) => return Ok(Err((plan, reason))),
        };
        let secrets = match secrets::read(&plan.graph[stage].conduct.secrets, &plan.root) {
            Ok(secrets) => secrets,
            Err(failure) => return Ok(Err((plan, NotReady::Refused(failure)))),
        };
        let trace = Trace { run: options.run.clone(), stage: plan.graph[stage].name.to_string() };
        let shared = Shared::new(plan, store, options);
        let prepared = workspace::prepare(&shared, stage, &resolved, Placement::Cheapest);
        let prepared = match fault::split(prepared.map_err(Fault::from))? {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err((shared.plan, NotReady::Refused(failure)))),
        };
        keep_checkpoints_apart(&prepared, store, &resolved)?;
        let Prepared { directory, mut program, .. } = prepared;
        let script = script::text(&shared.plan.graph[stage]);
        let secret = secrets.iter().map(|secret| secret.variable.clone()).collect();
        if !secrets.is_empty() {
            keep_from_debuggers();
        }
        let mut files = Vec::new();
        for Secret { variable, value, form } in secrets {
            let value = match form {
                SecretForm::Variable => value,
                SecretForm::File => {
                    let file = inherited(value.as_bytes()).map_err(|e| EngineError::system("giving a secret", e))?;
                    let path = format!("/dev/fd/{}", file.as_raw_fd());
                    files.push(file);
                    path
                }
            };
            program.environment.push((variable.into(), value.into()));
        }
        program.environment.push((crate::backend::RUN_ID.into(), trace.run.clone().into()));
        program.environment.push((crate::backend::STAGE_ID.into(), trace.to_string().into()));
        program.environment.extend(crate::backend::outer_runs().map(|(name, runs)| (name.into(), runs.into())));
        Ok(Ok(Workbench { program, script, secret, _files: files, directory }))
    }
}

/// A file in memory that whatever this process starts can read.
fn inherited(value: &[u8]) -> std::io::Result<OwnedFd> {
    let file = sealed(value)?;
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?;
    Ok(file)
}

impl Drop for Workbench {
    fn drop(&mut self) {
        // What stays, because it is somebody else's, is removed with the work directory of this process, or by the next one.
        let _ = remove_tree(&self.directory);
    }
}

/// The stage with the inputs that its producers' records name, or why there is none: producers that have no record, mostly.
fn resolve_with_records(plan: &Plan, store: &Store, stage: StageId) -> Result<Result<Resolved, NotReady>, EngineError> {
    let mut known = Known::new(plan);
    for &earlier in plan.order.iter().take_while(|earlier| **earlier != stage) {
        let Ok(resolved) = resolve::resolve(plan, earlier, &known, store, Sources::Identified)? else { continue };
        if let Lookup::Hit(record) = hits::record(store, plan, earlier, &resolved.key)? {
            known.insert(earlier, &record);
        }
    }
    let resolved = resolve::resolve(plan, stage, &known, store, Sources::Ingested)?;
    Ok(resolved.map_err(|unresolved| {
        if let Unresolved::Refused(failure) = unresolved {
            return NotReady::Refused(failure);
        }
        let producers = plan.graph.neighbors_directed(stage, petgraph::Direction::Incoming);
        let mut missing: Vec<_> = producers.filter(|producer| !known.has(*producer)).collect();
        missing.sort_unstable();
        NotReady::WaitsFor(missing)
    }))
}

/// A run goes on from the checkpoints of its key; what a person tries out must not become one of them.
fn keep_checkpoints_apart(prepared: &Prepared, store: &Store, resolved: &Resolved) -> Result<(), EngineError> {
    let file = prepared.directory.join("job.json");
    if !file.is_file() {
        return Ok(());
    }
    let failed = |error| EngineError::system("writing a job", error);
    let mut job: Job = serde_json::from_slice(&fs::read(&file).map_err(failed)?).map_err(|e| failed(e.into()))?;
    job.checkpoints = prepared.directory.join("checkpoints");
    fs::create_dir(&job.checkpoints).map_err(failed)?;
    fs::write(&file, serde_json::to_vec_pretty(&job).map_err(|e| failed(e.into()))?).map_err(failed)?;
    // The directory of the key was made on the way. One that holds checkpoints is not empty, and stays.
    let _ = fs::remove_dir(store.checkpoint_dir(&resolved.key).map_err(EngineError::store)?);
    Ok(())
}
