//! Asks a model by `pipe-torch`, the one program of ours that links libtorch: questions on its standard input, answers on its standard
//! output, in the lines of `--prompts` and `--answers`. It opens no socket, and ends with this program.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use analyst::exchange::Head;
use contract::StageError;

/// Its name, beside this program or on PATH.
pub(crate) const PROGRAM: &str = "pipe-torch";

/// What the model at `path` says to the questions.
pub(crate) fn ask(path: &Path, threads: u16, head: &Head, lines: &[u8]) -> Result<String, StageError> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM)).filter(|file| file.is_file());
    let program = beside.unwrap_or_else(|| PathBuf::from(PROGRAM));
    let mut command = Command::new(&program);
    command.arg("answer").arg(path).arg(threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => absent(),
        _ => StageError::resources(format!("cannot start {}: {error}", program.display())),
    })?;
    if let Some(mut questions) = child.stdin.take() {
        // One that ends early says why; that is read below.
        let _ = questions.write_all(&head.line()).and_then(|()| questions.write_all(lines));
    }
    let broken = |why: String| StageError::resources(format!("{PROGRAM} could not ask the model: {why}"));
    let ended = child.wait_with_output().map_err(|error| broken(error.to_string()))?;
    let told = String::from_utf8_lossy(&ended.stderr);
    match ended.status.code() {
        Some(0) => String::from_utf8(ended.stdout).map_err(|error| broken(error.to_string())),
        // Something is wrong with the model or the questions, in words that are meant for people.
        Some(2) => {
            let (message, help) = told.trim().split_once("\nhelp: ").unwrap_or((told.trim(), ""));
            let refused = StageError::invalid_input(message.strip_prefix("error: ").unwrap_or(message));
            Err(if help.is_empty() { refused } else { refused.help(help) })
        }
        _ => Err(broken(format!("{}; {}", ended.status, told.trim()))),
    }
}

fn absent() -> StageError {
    let message = format!(
        "asking a model takes the program {PROGRAM}, which is not here: it links libtorch, and this one does not"
    );
    StageError::invalid_input(message).help(format!(
        "build {PROGRAM} and put it beside pipe-ask or on PATH (`./pipe ask` in a checkout does), or let another program ask: write the \
         questions with --prompts, and give what it got to --answers (docs/analyst.md)"
    ))
}
