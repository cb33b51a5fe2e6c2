//! `pipe-aws worker -- COMMAND`: looks after one command on an instance, as PID 1 in a container.
//!
//! It passes signals on, takes the notice that EC2 gives before it takes a spot instance back and its word that it may do so soon,
//! collects processes whose parents have ended, and ends as the command does.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use aws_config::imds;
use rustix::process::{Pid, Signal, WaitOptions, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::say;

/// How often the notice is looked for; EC2 gives it two minutes before.
const LOOK: Duration = Duration::from_secs(5);

/// Where EC2 gives the notice. There is nothing there before.
const NOTICE: &str = "/latest/meta-data/spot/instance-action";

/// Where EC2 says that the instance is more likely than others to be taken back.
const RISK: &str = "/latest/meta-data/events/recommendations/rebalance";

/// Where the command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// An instance of EC2.
    Instance,
    /// A job of SageMaker, which gives no notice but SIGTERM.
    Job,
}

/// Runs the command of these arguments, `--instance -- COMMAND` or `--job -- COMMAND`; `None`: they are others.
pub(crate) fn run(arguments: &[&str]) -> Option<ExitCode> {
    let (place, command) = match arguments {
        ["--instance", "--", command @ ..] => (Where::Instance, command),
        ["--job", "--", command @ ..] => (Where::Job, command),
        _ => return None,
    };
    let (program, words) = command.split_first()?;
    let child = match Command::new(program).args(words).spawn() {
        Ok(child) => child,
        Err(error) => {
            say(&format!("pipe-aws: {program} cannot be executed: {error}"));
            return Some(ExitCode::from(127));
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        say("pipe-aws: the command runs without notice of an interruption");
        return Some(status(&child));
    };
    Some(runtime.block_on(look_after(child, place)))
}

async fn look_after(child: Child, place: Where) -> ExitCode {
    let pid = Pid::from_child(&child);
    let (sender, mut ended) = oneshot::channel();
    // A thread: it waits for whatever ends, not for the command alone.
    std::thread::spawn(move || sender.send(status(&child)));
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return ended.await.unwrap_or(ExitCode::FAILURE);
    };
    let metadata = imds::Client::builder().build();
    let mut look = tokio::time::interval(LOOK);
    let mut noticed = place == Where::Job;
    let mut at_risk = false;
    loop {
        let told = tokio::select! {
            status = &mut ended => return status.unwrap_or(ExitCode::FAILURE),
            _ = terminate.recv() => "it was told to end",
            _ = interrupt.recv() => "it was told to end",
            _ = look.tick(), if !noticed => match metadata.get(NOTICE).await {
                Ok(_) => {
                    noticed = true;
                    "EC2 takes the instance back in two minutes"
                }
                // There is none, or the metadata do not answer just now.
                Err(_) => {
                    if !at_risk && catches_usr1(pid) && metadata.get(RISK).await.is_ok() {
                        at_risk = true;
                        say("pipe-aws: EC2 may take the instance back soon; the stage takes a checkpoint and goes on");
                        let _ = kill_process(pid, Signal::USR1);
                    }
                    continue;
                }
            },
        };
        say(&format!("pipe-aws: {told}; the stage takes a checkpoint"));
        // A command that has just ended needs no signal.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Whether the command has begun to listen: before that the signal would end it.
fn catches_usr1(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    caught >> (Signal::USR1.as_raw() - 1) & 1 == 1
}

/// Waits for every process that ends, until the command does. As PID 1 it is the parent of all orphans.
fn status(child: &Child) -> ExitCode {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == Pid::from_child(child) => {
                let status = std::process::ExitStatus::from_raw(status.as_raw());
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
                return ExitCode::from(u8::try_from(code).unwrap_or(1));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}
