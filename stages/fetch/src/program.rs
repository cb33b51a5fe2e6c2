//! Programs of the user's machine that bring files: each in this stage's process group, ended with it.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contract::{Context, StageError};

/// How often a program is looked after while it works.
const INTERVAL: Duration = Duration::from_millis(50);

/// The end of what a program said that goes into an error.
const SAID: usize = 600;

/// What became of a program.
pub(crate) enum Ended {
    /// It did its work.
    Well,
    /// It failed.
    Badly {
        /// Its exit status.
        code: Option<i32>,
        /// The end of its standard error.
        said: String,
    },
}

/// Runs `command` to its end, or to the stage's. `tick` is called while it works.
pub(crate) fn run(mut command: Command, context: &Context, tick: &mut dyn FnMut()) -> Result<Ended, StageError> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| {
        StageError::resources(format!("cannot start {name}: {e}"))
            .help(format!("install {name}, or bring the model by hand: wire a directory with it as `directory`"))
    })?;
    let mut stderr = child.stderr.take();
    let said = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut bytes = Vec::new();
            // What was read until then is worth as much.
            let _ = stderr.as_mut().map(|pipe| pipe.read_to_end(&mut bytes));
            bytes
        });
        let status = wait(&mut child, context, tick);
        let bytes = reader.join().unwrap_or_default();
        status.map(|status| (status, bytes))
    });
    let (status, bytes) = said?;
    if status.success() {
        return Ok(Ended::Well);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    let start = text.char_indices().rev().take(SAID).last().map_or(0, |(at, _)| at);
    Ok(Ended::Badly { code: status.code(), said: text[start..].to_owned() })
}

fn wait(child: &mut Child, context: &Context, tick: &mut dyn FnMut()) -> Result<std::process::ExitStatus, StageError> {
    loop {
        if let Some(status) = child.try_wait().map_err(|e| StageError::bug(format!("waiting for a program: {e}")))? {
            return Ok(status);
        }
        if context.cancelled() {
            // Both fail only when it has just ended.
            let _ = child.kill();
            let _ = child.wait();
            return Err(StageError::interrupted());
        }
        tick();
        std::thread::sleep(INTERVAL);
    }
}
