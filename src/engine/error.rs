//! The engine's own failures: the store or the backend broke. A stage that fails is a value, not an error.

use crate::backend::BackendError;
use crate::store::StoreError;

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct EngineError {
    /// What broke.
    pub kind: EngineErrorKind,
}

/// What broke.
#[derive(Debug, thiserror::Error)]
pub enum EngineErrorKind {
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The backend, while it ran a stage.
    #[error("backend failed at stage `{stage}`: {error}")]
    Backend {
        /// The stage.
        stage: String,
        /// What happened.
        error: BackendError,
    },
    /// The backend, before any stage ran.
    #[error(transparent)]
    Guardian(BackendError),
    /// The machine refused what every run needs.
    #[error("{what}: {error}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What happened.
        error: std::io::Error,
    },
}

impl EngineError {
    pub(crate) fn store(error: StoreError) -> EngineError {
        EngineError { kind: EngineErrorKind::Store(error) }
    }

    pub(crate) fn guardian(error: BackendError) -> EngineError {
        EngineError { kind: EngineErrorKind::Guardian(error) }
    }

    pub(crate) fn system(what: &'static str, error: std::io::Error) -> EngineError {
        EngineError { kind: EngineErrorKind::System { what, error } }
    }
}
