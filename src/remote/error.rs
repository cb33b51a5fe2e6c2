//! Errors of a place beyond this machine.

use std::io;
use std::path::Path;

use contract::backend::FailedClass;

use crate::store::StoreError;

/// A place could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    /// The class, by which a caller chooses its reaction.
    pub class: FailedClass,
    /// One sentence.
    pub message: String,
    /// Advice for the user.
    pub help: Option<String>,
}

impl RemoteError {
    /// A failure without advice.
    pub fn new(class: FailedClass, message: impl Into<String>) -> RemoteError {
        RemoteError { class, message: message.into(), help: None }
    }

    /// This failure with advice.
    pub fn help(self, help: impl Into<String>) -> RemoteError {
        RemoteError { help: Some(help.into()), ..self }
    }

    /// A request that was cancelled.
    pub fn interrupted() -> RemoteError {
        RemoteError::new(FailedClass::Interrupted, "it was interrupted")
    }

    /// The system's error for `path`.
    pub fn io(path: &Path, error: &io::Error) -> RemoteError {
        let class = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FailedClass::Denied,
            _ => FailedClass::Broken,
        };
        let failed = RemoteError::new(class, format!("{}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::PermissionDenied => failed.help(
                "give a shared directory to a group (chgrp -R GROUP, chmod -R g+rwX, g+s for its directories), and let all who push use `umask 002`",
            ),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failed.help("make room there"),
            _ => failed,
        }
    }
}

/// Something between the local store and a remote could not be done.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The remote could not do its part.
    #[error("{0}")]
    Remote(#[from] RemoteError),
    /// The local store could not do its part.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl TransferError {
    /// Whether it broke off because it was told to, or because something else failed first.
    pub fn is_interruption(&self) -> bool {
        matches!(self, TransferError::Remote(RemoteError { class: FailedClass::Interrupted, .. }))
    }
}
