//! The chat-form dataset: one JSONL file a split, each line `{"messages": [{"role", "content"}, ..], ..}`.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::StageError;
use contract::stage::At;
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

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// A line; its other fields are for people and for evaluation.
#[derive(Deserialize)]
struct Line {
    messages: Vec<Message>,
}

/// The conversations of `split` in `directory`, in file order.
pub fn read(directory: &Path, split: Split) -> Result<Vec<Vec<Message>>, StageError> {
    let path = directory.join(format!("{split}.jsonl"));
    let file = std::fs::File::open(&path).at(&path)?;
    let mut conversations = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.at(&path)?;
        let wrong = |what: String| StageError::invalid_input(format!("{}:{}: {what}", path.display(), index + 1));
        let Line { messages } = serde_json::from_str(&line).map_err(|e| wrong(e.to_string()))?;
        if messages.last().is_none_or(|last| last.role != "assistant") {
            return Err(wrong("the last message is not the assistant's, so there is nothing to learn".into()));
        }
        conversations.push(messages);
    }
    Ok(conversations)
}
