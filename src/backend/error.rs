//! Failures of a backend itself. None of them says anything about the stage.

use std::io;
use std::path::PathBuf;

/// The backend broke.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The log file cannot be made.
    #[error("cannot create the log {}: {source}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory to run in cannot be entered.
    #[error("cannot run in {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no process, pipe or descriptor.
    #[error("cannot start {}: {source}; `ulimit -a` shows this user's limits", program.display())]
    Start {
        /// The program that was to be started.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A running process cannot be watched.
    #[error("lost track of process {process}: {source}")]
    Watch {
        /// Its id.
        process: u32,
        /// Why.
        source: io::Error,
    },
    /// The guardian does not start.
    #[error("cannot start the guardian process {}: {source}", program.display())]
    Guardian {
        /// The program that was to be started.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}
