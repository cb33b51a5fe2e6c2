//! Failures of a place itself. None of them says anything about the stage.

use crate::backend::BackendError;
use crate::remote::{RemoteError, TransferError};
use crate::store::StoreError;

/// The place where an action was to be carried out broke.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backend, while it ran a stage.
    #[error("backend failed at stage `{stage}`: {error}")]
    Backend {
        /// The stage.
        stage: String,
        /// The error.
        error: BackendError,
    },
    /// The backend, before any stage ran.
    #[error(transparent)]
    Guardian(BackendError),
    /// A place beyond this machine.
    #[error("backend `{name}`: {error}{}", advice(error))]
    Place {
        /// Its name.
        name: String,
        /// The error.
        error: TransferError,
    },
    /// The machine refused something that every execution needs.
    #[error("{what}: {error}")]
    System {
        /// The attempted operation.
        what: &'static str,
        /// The system's error.
        error: std::io::Error,
    },
}

impl ExecutorError {
    pub(crate) fn system(what: &'static str, error: std::io::Error) -> ExecutorError {
        ExecutorError::System { what, error }
    }
}

fn advice(error: &TransferError) -> String {
    match error {
        TransferError::Remote(RemoteError { help: Some(help), .. }) => format!(" ({help})"),
        TransferError::Remote(_) | TransferError::Store(_) => String::new(),
    }
}
