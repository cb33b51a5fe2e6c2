//! An example read back from the spool.

use contract::StageError;
use serde::Deserialize;

use crate::selection::spool::{Entry, Lines};

/// The fields of one line.
#[derive(Debug, Deserialize)]
pub(crate) struct Conversation {
    /// System, user and assistant.
    pub(crate) messages: Vec<Message>,
    /// Its task.
    pub(crate) task: String,
    /// Whose it is.
    pub(crate) host: String,
    /// The number of the scan.
    pub(crate) scan: i32,
}

/// One message.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    /// Who speaks.
    pub(crate) role: String,
    /// The text.
    pub(crate) content: String,
}

impl Conversation {
    /// The example of one entry.
    pub(crate) fn read(lines: &Lines, entry: &Entry) -> Result<Conversation, StageError> {
        serde_json::from_str(&lines.get(entry)?)
            .map_err(|e| StageError::bug(format!("an example on disk is damaged: {e}")))
    }
}
