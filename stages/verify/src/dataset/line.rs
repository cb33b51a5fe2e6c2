//! A line of a training set, as far as the checks read it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::documents::view::Text;

/// One example in chat form.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    /// The conversation; the last message is the answer.
    #[serde(borrow)]
    pub messages: Vec<Message<'a>>,
    /// Its task.
    #[serde(borrow)]
    pub task: Text<'a>,
    /// The host that it was made of.
    #[serde(borrow)]
    pub host: Text<'a>,
    /// The number of the scan, where the line says it.
    #[serde(default)]
    pub scan: Option<u32>,
}

/// One message.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    /// Who speaks.
    #[serde(borrow)]
    pub role: Text<'a>,
    /// The text.
    #[serde(borrow)]
    pub content: Text<'a>,
}

impl<'a> Line<'a> {
    /// The prompt: all messages but the answer. Texts of one system and one user message are shown as the user's.
    pub(super) fn prompt(&self) -> &[Message<'a>] {
        self.messages.split_last().map_or(&[], |(_, prompt)| prompt)
    }

    /// The user's words, for messages.
    pub(super) fn question(&self) -> Cow<'_, str> {
        let user = self.prompt().iter().rev().find(|message| &*message.role == "user");
        user.map_or(Cow::Borrowed(""), |message| Cow::Borrowed(&*message.content))
    }

    /// The answer; none where the last message is not the assistant's.
    pub(super) fn answer(&self) -> Option<&str> {
        self.messages.last().filter(|message| &*message.role == "assistant").map(|message| &*message.content)
    }
}
