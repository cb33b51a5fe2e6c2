//! The engine's own failures: the store or the backend broke. A stage that fails is a value, not an error.

use crate::executor::ExecutorError;
use crate::plan::{Plan, StageId};
use crate::remote::TransferError;
use crate::spec::StageName;
use crate::store::StoreError;

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct EngineError {
    /// The part that broke.
    pub kind: EngineErrorKind,
}

/// The part that broke.
#[derive(Debug, thiserror::Error)]
pub enum EngineErrorKind {
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The place where a stage was to be carried out.
    #[error(transparent)]
    Executor(ExecutorError),
    /// The place beyond this machine where a stage was to be carried out.
    #[error("stage `{stage}`: {error}")]
    Elsewhere {
        /// The stage.
        stage: String,
        /// The error.
        error: ExecutorError,
    },
    /// A stage was ready although an input was never made: a fault of the engine.
    #[error("stage `{stage}` was ready, but `{producer}` gave nothing for it; this is a bug of pipe, please report it")]
    Unready {
        /// The stage.
        stage: String,
        /// Where its input comes from.
        producer: String,
    },
    /// The machine refused something that every run needs.
    #[error("{what}: {error}")]
    System {
        /// The attempted operation.
        what: &'static str,
        /// The system's error.
        error: std::io::Error,
    },
}

impl From<ExecutorError> for EngineError {
    fn from(error: ExecutorError) -> EngineError {
        EngineError { kind: EngineErrorKind::Executor(error) }
    }
}

impl EngineError {
    /// Whether a place beyond this machine broke: stages that do not need it go on.
    pub(crate) fn is_elsewhere(&self) -> bool {
        let EngineErrorKind::Executor(ExecutorError::Place { error, .. }) = &self.kind else { return false };
        matches!(error, TransferError::Remote(_))
    }

    /// This error with the stage that met it.
    pub(crate) fn at_stage(self, stage: &StageName) -> EngineError {
        let kind = match self.kind {
            EngineErrorKind::Executor(error) => EngineErrorKind::Elsewhere { stage: stage.to_string(), error },
            kind => kind,
        };
        EngineError { kind }
    }

    pub(crate) fn store(error: StoreError) -> EngineError {
        EngineError { kind: EngineErrorKind::Store(error) }
    }

    pub(crate) fn unready(plan: &Plan, stage: StageId, producer: StageId) -> EngineError {
        let name = |stage: StageId| plan.graph[stage].name.to_string();
        EngineError { kind: EngineErrorKind::Unready { stage: name(stage), producer: name(producer) } }
    }

    pub(crate) fn system(what: &'static str, error: std::io::Error) -> EngineError {
        EngineError { kind: EngineErrorKind::System { what, error } }
    }
}
