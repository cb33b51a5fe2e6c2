//! The guardian: one small process per run that ends every stage's process tree when the engine has ended, also by
//! kill -9.
//!
//! It reads orders from the engine on a pipe: `run ID`, `+GROUP`, `-GROUP`. The engine's end closes the pipe; then the
//! guardian kills every group that was not released, and after that every process that carries the run's id in its environment.
//! The engine's end of the pipe is closed on exec, and so a child that was being started while the engine died keeps the
//! pipe open until its new program, and with it its mark, is in place: nobody slips through between fork and exec.
//!
//! It has a process group of its own, so Ctrl-C at a terminal does not reach it, and an empty environment, so the
//! guardian of a pipeline around this one does not take it for a stage.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};

use super::census::{self, Mark};
use super::error::BackendError;
use super::exit::Exit;
use super::launch::RUN_ID;
use super::process;

/// The hidden verb under which `pipe` runs [`main`].
pub const VERB: &str = "__guardian";

/// How often the guardian looks for survivors, and how long it waits between two looks: two seconds in all, for
/// processes that the kernel cannot end yet.
const LOOKS: u32 = 1000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// How long the guardian may take to end everything, and how often that is looked at.
const END: Duration = Duration::from_secs(5);
const BETWEEN_WAITS: Duration = Duration::from_micros(200);

/// The engine's side. Dropping it ends the guardian, which then ends every group that was not released.
#[derive(Debug)]
pub struct Guardian {
    command: Vec<OsString>,
    run: String,
    care: RefCell<Care>,
}

/// The process that stands by, and the groups in its care. It is replaced when it ends.
#[derive(Debug)]
struct Care {
    process: Child,
    groups: BTreeSet<i32>,
}

impl Guardian {
    /// The command that starts the guardian of the program `pipe` at `exe`.
    pub fn command(exe: &Path) -> Vec<OsString> {
        vec![exe.into(), VERB.into()]
    }

    /// Starts `command`, which must call [`main`], for the run `run_id`.
    pub fn start(command: &[OsString], run_id: &str) -> Result<Guardian, BackendError> {
        let failed = |source| {
            let program = command.first().map(PathBuf::from).unwrap_or_default();
            BackendError::Guardian { program, source }
        };
        let care = Care { process: spawn(command).map_err(failed)?, groups: BTreeSet::new() };
        care.introduce(run_id).map_err(failed)?;
        Ok(Guardian { command: command.to_owned(), run: run_id.to_owned(), care: RefCell::new(care) })
    }

    /// Puts a process group under its care. Returns a message for the user, if there is one.
    pub(super) fn watch(&self, group: Pid) -> Option<String> {
        let group = group.as_raw_nonzero().get();
        self.care.borrow_mut().groups.insert(group);
        self.order(&format!("+{group}\n"))
    }

    /// Takes a process group out of its care; to be called while the group's id cannot yet be given to another.
    pub(super) fn release(&self, group: Pid) -> Option<String> {
        let group = group.as_raw_nonzero().get();
        self.care.borrow_mut().groups.remove(&group);
        self.order(&format!("-{group}\n"))
    }

    /// Looks after the guardian itself, when a child of this process has ended or stands still: one that was stopped goes on, one
    /// that has ended is replaced.
    pub(super) fn tend(&self) -> Option<String> {
        let guardian = Pid::from_child(&self.care.borrow().process);
        let look = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(guardian), look) {
            Ok(Some(status)) if status.stopped() => {
                // It is our child and not reaped: the id is its own.
                let _ = kill_process(guardian, Signal::CONT);
                None
            }
            Ok(Some(_)) => Some(self.replace()),
            Ok(None) | Err(_) => None,
        }
    }

    fn order(&self, order: &str) -> Option<String> {
        let told = self.care.borrow().tell(order);
        // It is gone, or has read nothing for so long that the pipe is full.
        told.is_err().then(|| self.replace())
    }

    /// Starts another one that knows every group of this moment. Returns a message for the user, if there is one.
    fn replace(&self) -> String {
        let mut care = self.care.borrow_mut();
        // One that was killed ends nothing; the next one takes over.
        let _ = care.process.kill();
        let ended = care.process.wait().map_or_else(|e| e.to_string(), |status| Exit::from(status).to_string());
        let begun = spawn(&self.command).and_then(|process| {
            care.process = process;
            care.introduce(&self.run)
        });
        match begun {
            Ok(()) => format!("the guardian process had ended ({ended}); another one was started"),
            Err(error) => format!(
                "the guardian process has ended ({ended}) and does not start again ({error}): what runs now outlives a killed engine"
            ),
        }
    }
}

impl Care {
    fn introduce(&self, run: &str) -> io::Result<()> {
        let groups: String = self.groups.iter().map(|group| format!("+{group}\n")).collect();
        self.tell(&format!("run {run}\n{groups}"))
    }

    /// Never waits: a guardian that stands still must not hold up the run.
    fn tell(&self, orders: &str) -> io::Result<()> {
        let mut to = self.process.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        to.write_all(orders.as_bytes())
    }
}

fn spawn(command: &[OsString]) -> io::Result<Child> {
    let program = command.first().map(PathBuf::from).unwrap_or_default();
    let mut guardian = Command::new(program);
    guardian.args(command.get(1..).unwrap_or_default()).env_clear().current_dir("/").process_group(0);
    guardian.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = process::alone(|| guardian.spawn())?;
    if let Some(orders) = &child.stdin {
        rustix::fs::fcntl_setfl(orders, OFlags::NONBLOCK)?;
    }
    Ok(child)
}

impl Drop for Care {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let guardian = Pid::from_child(&self.process);
        let begun = Instant::now();
        while let Ok(None) = self.process.try_wait() {
            if begun.elapsed() > END {
                // It stands still again and again, or waits for a process that the kernel cannot end.
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            // It may stand still. It is our child and not reaped: the id is its own.
            let _ = kill_process(guardian, Signal::CONT);
            std::thread::sleep(BETWEEN_WAITS);
        }
    }
}

/// The guardian's main: obeys the orders on stdin until they end.
pub fn main() -> ExitCode {
    // Signals sent to all processes of a job are meant for the engine.
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP] {
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

/// Kills every process that carries `run` until two looks in a row find none: one look can miss a process that is forked, or is
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
