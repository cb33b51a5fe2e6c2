//! How a process ended, in words.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::signals::SignalName;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It never started.
    NotStarted,
    /// It left with this status.
    Status(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl Exit {
    /// The signal that ended the process, also where a shell reports its child's as `128 + n`.
    pub fn signal(self) -> Option<i32> {
        match self {
            Exit::Signal(signal) => Some(signal),
            Exit::Status(status @ 129..=192) => Some(status - 128),
            Exit::Status(_) | Exit::NotStarted => None,
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        // A reaped process has one of the two; stops are not asked for.
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Status(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::NotStarted => f.write_str("not started"),
            Exit::Signal(signal) => write!(f, "killed by {}", SignalName(*signal)),
            Exit::Status(status) => {
                write!(f, "exit status {status}")?;
                self.signal().map_or(Ok(()), |signal| write!(f, " ({})", SignalName(signal)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_signals_have_names() {
        let check = |exit: Exit, text: &str| assert_eq!(exit.to_string(), text);
        check(Exit::Status(3), "exit status 3");
        check(Exit::Status(137), "exit status 137 (SIGKILL)");
        check(Exit::Signal(11), "killed by SIGSEGV");
        check(Exit::Signal(31), "killed by SIGSYS");
        check(Exit::Signal(34), "killed by signal 34");
        check(Exit::Status(255), "exit status 255");
    }
}
