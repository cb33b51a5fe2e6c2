//! `pipe worker`: this program as an instance that carries out one action. Started by the driver of a place, not by people.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use contract::EXIT_INTERRUPTED;

use super::failure::Failure;
use super::output;
use crate::action::ActionKey;
use crate::executor::remote::is_of_instance;
use crate::executor::remote::worker::{Assignment, Departure, work};
use crate::remote::Place;

/// `pipe worker`.
#[derive(Debug, Args)]
pub(super) struct WorkerArguments {
    /// Where the objects are: the `objects` of a hello, as docs/backend-protocol.md has it.
    #[arg(long)]
    objects: String,
    /// The instance's own directory.
    #[arg(long)]
    directory: PathBuf,
    /// Closed to private commands.
    #[arg(long)]
    project: PathBuf,
    /// The action's key.
    #[arg(long)]
    action: String,
    /// The attempt.
    #[arg(long)]
    attempt: u32,
    /// Start another one with a session of its own, and end.
    #[arg(long)]
    detach: bool,
}

/// Carries out the attempt. Returns the exit status.
pub(super) fn run(arguments: &WorkerArguments) -> Result<u8, Failure> {
    // It is removed at the end, with all that lies in it.
    if !is_of_instance(&arguments.directory) {
        let message = format!("{} is no directory of an instance", arguments.directory.display());
        return Err(Failure::usage(message, "`pipe run` starts instances".to_owned()));
    }
    let broken = |error: std::io::Error| Failure::Broken(error.into());
    if arguments.detach {
        let program = std::env::current_exe().map_err(broken)?;
        let words = std::env::args_os().skip(1).filter(|word| word != "--detach");
        // The standard input goes along: it is the lock by which others see that the instance lives.
        let instance = Command::new(program).args(words).stdout(Stdio::null()).spawn().map_err(broken)?;
        output::text(&format!("{}\n", instance.id()));
        return Ok(0);
    }
    // No leader of a group, so this succeeds; a terminal that closes does not reach it any more.
    let _ = rustix::process::setsid();
    let wrong = |message: String| Failure::usage(message, None);
    let key: ActionKey = arguments.action.parse().map_err(|_| wrong("--action is no digest".to_owned()))?;
    let state = Place::from_wire(&arguments.objects).map_err(|message| wrong(format!("--objects: {message}")))?;
    let assignment = Assignment {
        state,
        directory: arguments.directory.clone(),
        project: arguments.project.clone(),
        key,
        attempt: arguments.attempt,
    };
    match work(&assignment) {
        Ok(Departure::Done | Departure::Fenced) => Ok(0),
        Ok(Departure::Interrupted) => Ok(u8::try_from(EXIT_INTERRUPTED).unwrap_or(1)),
        Err(error) => Err(Failure::Broken(error.into())),
    }
}
