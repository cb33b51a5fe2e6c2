//! What can go wrong with a place beyond this machine.

use std::io;
use std::path::Path;

use crate::store::StoreError;

/// A place could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    /// By what can be done about it.
    pub class: RemoteClass,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Failures of a place, by what can be done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteClass {
    /// There are no credentials, or they are refused.
    Credentials,
    /// The credentials do not allow it.
    Denied,
    /// The bucket, or the program, is not there.
    Missing,
    /// It cannot be reached now.
    Unavailable,
    /// What was asked makes no sense there.
    Invalid,
    /// It was cancelled.
    Interrupted,
    /// The place cannot do this.
    Unsupported,
    /// Anything else.
    Broken,
}

impl RemoteError {
    /// A failure without advice.
    pub fn new(class: RemoteClass, message: impl Into<String>) -> RemoteError {
        RemoteError { class, message: message.into(), help: None }
    }

    /// This failure with advice.
    pub fn help(self, help: impl Into<String>) -> RemoteError {
        RemoteError { help: Some(help.into()), ..self }
    }

    /// A request that was cancelled.
    pub fn interrupted() -> RemoteError {
        RemoteError::new(RemoteClass::Interrupted, "it was interrupted")
    }

    /// What the system said about `path`.
    pub fn io(path: &Path, error: &io::Error) -> RemoteError {
        let class = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => RemoteClass::Denied,
            _ => RemoteClass::Broken,
        };
        RemoteError::new(class, format!("{}: {error}", path.display()))
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
        matches!(self, TransferError::Remote(RemoteError { class: RemoteClass::Interrupted, .. }))
    }
}
