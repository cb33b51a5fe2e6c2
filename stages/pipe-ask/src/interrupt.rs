//! Signals that end the program: INT, TERM and HUP. A thread hears them from the beginning, wherever the others are. It ends the program
//! that asks the model, removes the file that is half written, and exits as `pipe` does when it is interrupted.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::StageError;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use tempfile::TempPath;

use crate::progress;

/// The exit status of `pipe` and of shells for what was interrupted.
const INTERRUPTED: i32 = 130;

/// Signals that end the program.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// What nobody would clean up.
static BEGUN: Mutex<Begun> = Mutex::new(Begun { child: None, file: None });

struct Begun {
    child: Option<Pid>,
    file: Option<TempPath>,
}

fn begun() -> MutexGuard<'static, Begun> {
    BEGUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to listen. Signals that were ignored when the program began stay ignored, as `nohup` wants.
pub(crate) fn listen() -> Result<(), StageError> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = ENDING.into_iter().filter(|signal| !is_unwanted(*signal, &status));
    let failed = |error| StageError::resources(format!("cannot listen for signals: {error}"));
    let mut signals = Signals::new(wanted).map_err(failed)?;
    let listener = move || {
        if signals.forever().next().is_some() {
            end();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listener).map_err(failed)?;
    Ok(())
}

/// Whether the starting program wants the signal ignored, by a `/proc/PID/status`. As for `pipe`, INT and QUIT together are what a shell
/// ignores in all that it starts with `&`; a SIGINT that is sent to such a program is meant for it.
fn is_unwanted(signal: i32, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let is_ignored = |signal: i32| mask & (1 << (signal - 1)) != 0;
    is_ignored(signal) && !(signal == SIGINT && is_ignored(SIGQUIT))
}

/// Ends the program now.
pub(crate) fn end() -> ! {
    // Held to the end, so that nothing more is begun.
    let mut begun = begun();
    if let Some(child) = begun.child.take() {
        // It may have ended itself.
        let _ = kill_process(child, Signal::KILL);
    }
    drop(begun.file.take());
    progress::erase();
    low_level::exit(INTERRUPTED)
}

/// Whether the signal is one that ends this program: a terminal sends it to a child as well, which may end first.
pub(crate) fn is_ending(signal: i32) -> bool {
    ENDING.contains(&signal)
}

/// A child that ends with this program. [`Watched::wait`] gives it up.
pub(crate) struct Watched(Child);

impl Watched {
    /// Starts it.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Watched> {
        let mut begun = begun();
        let child = command.spawn()?;
        begun.child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Watched(child))
    }

    /// The child.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits for its end. Its outputs must have ended: from here on no signal ends it.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        // Its number may be another program's as soon as it was waited for.
        begun().child = None;
        self.0.wait()
    }
}

/// Writes a file as a whole or not at all, so that nobody reads an answer that is cut short. A link stays one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = {
        let mut begun = begun();
        // For those whom the umask lets read other files.
        let new = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(directory);
        let (file, temporary) = new?.into_parts();
        begun.file = Some(temporary);
        file
    };
    let written = file.write_all(bytes);
    // Held until the file has its name: a signal finds the one or the other.
    let mut begun = begun();
    let temporary = begun.file.take();
    written?;
    match temporary {
        Some(temporary) => temporary.persist(place).map_err(|error| error.error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let check = |status: &str, expect| assert_eq!(ENDING.map(|signal| is_unwanted(signal, status)), expect);
        check("Name:\tx\nSigBlk:\t00000000000000ff\nSigIgn:\t0000000000001001\n", [false, false, true]);
        check("SigIgn:\t0000000000001002\n", [true, false, false]);
        check("SigIgn:\t0000000000001006\n", [false, false, false]);
        check("no such line", [false, false, false]);
    }
}
