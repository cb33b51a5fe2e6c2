//! A worker that is asked what it foresees of stages: `<worker> foresee`, a question and an answer a line (`contract::foresight`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use contract::foresight::{Answer, Inquiry};

use super::programs::{Device, find_for};

/// A worker that says nothing for so long is not asked again: libraries of some hundred megabytes may come from a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of all answers at most.
const LONGEST: u64 = 16 << 20;

/// A running worker; it ends with this.
#[derive(Debug)]
pub(crate) struct Seer {
    program: String,
    child: Child,
    questions: ChildStdin,
    /// The lines that it writes, read by a thread which ends with it.
    answers: Receiver<io::Result<String>>,
}

/// Why a worker does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeerError {
    /// It cannot be started.
    #[error("{program} is not there")]
    Missing {
        /// Its name.
        program: String,
    },
    /// It broke.
    #[error("`{program} foresee`: {cause}")]
    Broken {
        /// Its name.
        program: String,
        /// What happened.
        cause: io::Error,
    },
}

impl Seer {
    /// Starts the worker `program`, beside this program or on PATH, that computes on `device`.
    pub(crate) fn start(program: &str, device: Device) -> Result<Seer, SeerError> {
        let broken = |cause| SeerError::Broken { program: program.to_owned(), cause };
        let path = find_for(program, device).ok_or_else(|| SeerError::Missing { program: program.to_owned() })?;
        let kept = ["PATH", "HOME", "TMPDIR", "CUDA_VISIBLE_DEVICES"];
        let environment = kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(path)
            .arg("foresee")
            // Nothing of the project lies there, so a program that takes the word for a file finds none.
            .current_dir("/")
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(broken)?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(io::ErrorKind::BrokenPipe.into()));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // Nobody hears the rest once this is dropped.
            BufReader::new(answers.take(LONGEST)).lines().try_for_each(|line| sender.send(line))
        });
        Ok(Seer { program: program.to_owned(), child, questions, answers: lines })
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, inquiry: &Inquiry) -> Result<Answer, SeerError> {
        let answer = self.exchange(inquiry);
        answer.map_err(|cause| SeerError::Broken { program: self.program.clone(), cause })
    }

    fn exchange(&mut self, inquiry: &Inquiry) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(inquiry)?;
        line.push(b'\n');
        self.questions.write_all(&line)?;
        self.questions.flush()?;
        let line = self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut,
            RecvTimeoutError::Disconnected => io::ErrorKind::UnexpectedEof,
        })??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Seer {
    fn drop(&mut self) {
        // It holds nothing: one that is gone already, or cannot be waited for, leaves nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
