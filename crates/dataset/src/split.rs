//! The parts of a chat-form dataset, and the turns of its conversations.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The examples that the model learns from.
    Train,
    /// The examples on which training is watched.
    Validation,
    /// The examples on which the model is measured.
    Test,
    /// The examples with which quantization is calibrated.
    Calibration,
}

impl Split {
    /// All, in the order they are written.
    pub const ALL: [Split; 4] = [Split::Train, Split::Validation, Split::Test, Split::Calibration];

    /// The stem of its files.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
            Split::Calibration => "calibration",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// A question.
    User,
    /// The model. What it says is learned.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

impl Role {
    /// The word for it in datasets and in chat templates.
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text.
    pub content: String,
}
