//! Asks a model by `pipe-torch`, the one program of ours that links libtorch: questions on its standard input, answers on its standard
//! output, in the lines of `--prompts` and `--answers`. It opens no socket, and ends with this program.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use analyst::exchange::{self, Head};
use contract::StageError;

use crate::interrupt::{self, Watched};
use crate::progress::{Progress, Step};

/// Its name, beside this program or on PATH.
pub(crate) const PROGRAM: &str = "pipe-torch";

/// What is asked of a model.
pub(crate) struct Sheet<'a> {
    /// The first line.
    pub head: &'a Head,
    /// The lines of questions.
    pub lines: &'a [u8],
    /// Questions that have tokens.
    pub asked: u64,
}

/// What the model at `path` says to the questions.
pub(crate) fn ask(path: &Path, threads: u16, sheet: &Sheet<'_>, progress: &Progress) -> Result<String, StageError> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM)).filter(|file| file.is_file());
    let program = beside.unwrap_or_else(|| PathBuf::from(PROGRAM));
    let mut command = Command::new(&program);
    command.arg("answer").arg(path).arg(threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    progress.step(Step::Loading);
    let mut running = Watched::spawn(&mut command).map_err(|error| match error.kind() {
        ErrorKind::NotFound => absent(),
        _ => StageError::resources(format!("cannot start {}: {error}", program.display())),
    })?;
    let child = running.child();
    let (questions, answers, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Its errors are read beside its answers: a full pipe would stop it.
    let errors = thread::spawn(move || {
        let mut told = Vec::new();
        // What cannot be read is not told.
        let _ = errors.map(|mut errors| errors.read_to_end(&mut told));
        told
    });
    if let Some(mut questions) = questions {
        // One that ends early says why; that is read below.
        let _ = questions.write_all(&sheet.head.line()).and_then(|()| questions.write_all(sheet.lines));
    }
    let broken = |why: String| StageError::resources(format!("{PROGRAM} could not ask the model: {why}"));
    let answers = answers.map(|answers| follow(BufReader::new(answers), sheet.asked, progress)).transpose();
    let ended = running.wait().map_err(|error| broken(error.to_string()))?;
    let answers = answers.map_err(|error| broken(error.to_string()))?.unwrap_or_default();
    let told = errors.join().unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    match ended.code() {
        Some(0) => String::from_utf8(answers).map_err(|error| broken(error.to_string())),
        // Something is wrong with the model or the questions, in words that are meant for people.
        Some(2) => {
            let (message, help) = told.trim().split_once("\nhelp: ").unwrap_or((told.trim(), ""));
            let refused = StageError::invalid_input(message.strip_prefix("error: ").unwrap_or(message));
            Err(if help.is_empty() { refused } else { refused.help(help) })
        }
        None if ended.signal().is_some_and(interrupt::is_ending) => interrupt::end(),
        None if ended.signal() == Some(9) => Err(broken("it was killed".to_owned())
            .help("the system kills programs when memory is short; free some, or take a smaller model")),
        _ => Err(broken(format!("{ended}; {}", told.trim()))),
    }
}

/// The lines of a program that answers, which tell how far it is: its first line says that the model is loaded.
fn follow(mut answers: impl BufRead, of: u64, progress: &Progress) -> std::io::Result<Vec<u8>> {
    let (mut all, mut lines, mut tokens) = (Vec::new(), 0, 0);
    loop {
        let begin = all.len();
        if answers.read_until(b'\n', &mut all)? == 0 {
            return Ok(all);
        }
        tokens += exchange::tokens(&all[begin..]);
        progress.step(Step::Asking { done: lines, of, tokens });
        lines += 1;
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
