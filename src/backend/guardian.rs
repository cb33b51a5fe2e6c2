//! The guardian: one small process per run that ends every stage's process tree when the engine has ended, however that
//! came: also by kill -9.
//!
//! It reads orders from the engine on a pipe: `run ID`, `+GROUP`, `-GROUP`. The engine's end closes the pipe; then the
//! guardian kills every group that was not released, and after that whatever carries the run's id in its environment.
//! The engine's end of the pipe is closed on exec, and so a child that was being started while the engine died keeps the
//! pipe open until its new program, and with it its mark, is in place: nobody slips through between fork and exec.
//!
//! It has a process group of its own, so Ctrl-C at a terminal does not reach it, and an empty environment, so the
//! guardian of a pipeline around this one does not take it for a stage.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::census::{self, Mark};
use super::error::BackendError;
use super::launch::RUN_ID;
use super::process;

/// The hidden verb under which `pipe` runs [`main`].
pub const VERB: &str = "__guardian";

/// How often the guardian looks for survivors, and how long it waits between two looks: two seconds in all, for
/// processes that the kernel cannot end yet.
const LOOKS: u32 = 1000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// The engine's side. Dropping it ends the guardian, which then ends what was not released.
#[derive(Debug)]
pub struct Guardian {
    process: Child,
}

impl Guardian {
    /// The command that starts the guardian of the program `pipe` at `exe`.
    pub fn command(exe: &Path) -> Vec<OsString> {
        vec![exe.into(), VERB.into()]
    }

    /// Starts `command`, which must call [`main`], for the run `run_id`.
    pub fn start(command: &[OsString], run_id: &str) -> Result<Guardian, BackendError> {
        let program = command.first().map(PathBuf::from).unwrap_or_default();
        let mut process = Command::new(&program);
        process.args(command.get(1..).unwrap_or_default()).env_clear().current_dir("/").process_group(0);
        process.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = process::alone(|| process.spawn());
        let failed = |source| BackendError::Guardian { program: program.clone(), source };
        let guardian = Guardian { process: started.map_err(failed)? };
        guardian.order(format_args!("run {run_id}")).map_err(failed)?;
        Ok(guardian)
    }

    /// Puts a process group under its care.
    pub(super) fn watch(&self, group: Pid) -> io::Result<()> {
        self.order(format_args!("+{}", group.as_raw_nonzero()))
    }

    /// Takes a process group out of its care; to be called while the group's id cannot yet be given to another.
    pub(super) fn release(&self, group: Pid) -> io::Result<()> {
        self.order(format_args!("-{}", group.as_raw_nonzero()))
    }

    fn order(&self, order: std::fmt::Arguments<'_>) -> io::Result<()> {
        let mut orders = self.process.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        orders.write_all(format!("{order}\n").as_bytes())
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // A guardian that was killed has left nothing to wait for.
        let _ = self.process.wait();
    }
}

/// The guardian's main: obeys the orders on stdin until they end.
pub fn main() -> ExitCode {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // A flag that nobody reads: the signal is to have no effect. Where this fails, the guardian is only easier to kill.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    guard(io::stdin().lock());
    ExitCode::SUCCESS
}

/// Obeys `orders` until they end, then ends everything that is still in care.
pub(super) fn guard(orders: impl BufRead) {
    let mut groups = HashSet::new();
    let mut run = None;
    for order in orders.lines().map_while(Result::ok) {
        match order.split_at_checked(1) {
            Some(("+", group)) => groups.extend(pid(group)),
            Some(("-", group)) => groups.retain(|known| Some(*known) != pid(group)),
            _ => run = order.strip_prefix("run ").map(|id| Mark::new(RUN_ID, id)).or(run),
        }
    }
    for group in groups {
        // The kernel kills a group as a whole: a member that is forking takes its child along. Gone already: as wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
    if let Some(run) = run {
        end_carriers(&run);
    }
}

/// Kills whatever carries `run` until two looks in a row find nobody: one look can miss a process that is forked, or is
/// between two programs, while it passes.
fn end_carriers(run: &Mark) {
    let mut quiet = 0;
    for _ in 0..LOOKS {
        quiet = if run.kill(census::everyone()).is_empty() { quiet + 1 } else { 0 };
        if quiet == 2 {
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}
