//! Training examples in chat form.

use scan::Severity;
use serde::Serialize;

use crate::tasks::task::Task;

/// Tokens that Llama 3's chat form adds to three messages are fewer.
const CHAT_TOKENS: usize = 48;
/// Bytes of a `finding` example: 512 tokens for every byte-level BPE, which gives at most a token a byte.
pub const FINDING_BYTES: usize = 512 - CHAT_TOKENS;
/// Bytes of an example of any other task: 4,096 tokens, which is the context that the agent gives its model.
pub const SCAN_BYTES: usize = 4_096 - CHAT_TOKENS;

/// An example before a split takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its task.
    pub task: Task,
    /// The findings that the prompt shows, by their ids in documents; not part of a dataset. A prompt calls the first f1.
    pub findings: Vec<String>,
    /// The class that is balanced: the severity, or the priority's place.
    pub class: Severity,
    /// Examples with equal answers but for the words share a template.
    pub template: String,
    /// The user's message.
    pub prompt: String,
    /// The assistant's message.
    pub answer: String,
}

#[derive(Serialize)]
struct Line<'a> {
    messages: [Message<'a>; 3],
    task: Task,
    host: &'a str,
    scan: u32,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl Example {
    /// Bytes of its three messages.
    pub fn bytes(&self) -> usize {
        self.task.instruction().len() + self.prompt.len() + self.answer.len()
    }

    /// Whether its messages have at most `limit` bytes.
    pub fn fits(&self, limit: usize) -> bool {
        self.bytes() <= limit
    }

    /// The example of as many findings as fit into those of a scan, at most `most`; `of` makes the one of a number of them.
    pub fn of_most(most: usize, of: impl FnMut(usize) -> Option<Example>) -> Option<Example> {
        (1..=most).rev().filter_map(of).find(|example| example.fits(SCAN_BYTES))
    }

    /// The line of a dataset file, for an example of a scan of `host`.
    pub fn line(&self, host: &str, scan: u32) -> String {
        let message = |role, content| Message { role, content };
        let line = Line {
            messages: [
                message("system", self.task.instruction()),
                message("user", &self.prompt),
                message("assistant", &self.answer),
            ],
            task: self.task,
            host,
            scan,
        };
        serde_json::to_string(&line).expect("plain data") + "\n"
    }
}
