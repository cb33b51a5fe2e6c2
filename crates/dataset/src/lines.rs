//! A split as conversations: one JSONL file, each line `{"messages": [{"role", "content"}, ..], ..}`.
//!
//! Other fields of a line are for people and for evaluation, and other fields of a message for other programs. Every line that cannot
//! be used is named with its number.

use std::path::Path;

use contract::StageError;
use contract::stage::At;
use serde::Deserialize;
use serde_json::Value;

use crate::split::{Message, Role, Split};

/// Faulty lines that an error names.
const NAMED: usize = 10;

/// What some editors write at the beginning of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with a line, and what to do about it.
struct Fault {
    what: String,
    help: &'static str,
}

/// The conversations of `split` in `directory`, in file order.
pub fn read(directory: &Path, split: Split) -> Result<Vec<Vec<Message>>, StageError> {
    let path = directory.join(format!("{split}.jsonl"));
    let bytes = std::fs::read(&path).at(&path)?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut conversations = Vec::new();
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        match conversation(line) {
            Ok(messages) => conversations.push(messages),
            Err(fault) => faults.push((index + 1, fault)),
        }
    }
    let Some((_, first)) = faults.first() else { return Ok(conversations) };
    let help = first.help;
    let named = faults.iter().take(NAMED);
    let named: Vec<String> = named.map(|(line, fault)| format!("{}:{line}: {}", path.display(), fault.what)).collect();
    let mut message = named.join("\n");
    if faults.len() > NAMED {
        message.push_str(&format!("\nand {} more lines", faults.len() - NAMED));
    }
    Err(StageError::invalid_input(message).help(help))
}

/// The messages of one line.
fn conversation(line: &[u8]) -> Result<Vec<Message>, Fault> {
    let fault = |what: String, help| Err(Fault { what, help });
    if line.starts_with(BYTE_ORDER_MARK) {
        return fault("it begins with a byte order mark".to_owned(), "save the file as UTF-8 without one");
    }
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("byte {} of the line is no UTF-8", error.valid_up_to() + 1);
            return fault(what, "save the file as UTF-8");
        }
    };
    if text.trim().is_empty() {
        return fault("the line is blank".to_owned(), "delete it: every line is one conversation");
    }
    let form = "a line is {\"messages\": [{\"role\": \"user\", \"content\": \"..\"}, {\"role\": \"assistant\", \"content\": \"..\"}]}; \
        roles are system, user, assistant and tool";
    let Line { messages } = match serde_json::from_str(text) {
        Ok(line) => line,
        // Where the fault lies in a line that is a document of its own: its own line number is always 1.
        Err(error) => return fault(error.to_string().replace(" at line 1 column ", " at column "), form),
    };
    for (index, message) in messages.iter().enumerate() {
        if message.tool_calls.as_ref().is_some_and(|calls| !calls.is_null()) {
            let what = format!("message {} has `tool_calls`, which would not be learned", index + 1);
            return fault(what, "write the call into `content`, as the model is to write it");
        }
    }
    let messages: Vec<Message> =
        messages.into_iter().map(|message| Message { role: message.role, content: message.content }).collect();
    if messages.last().is_none_or(|last| last.role != Role::Assistant) {
        let what = "the last message is not the assistant's, so there is nothing to learn";
        return fault(what.to_owned(), "end every conversation with the answer that is to be learned");
    }
    Ok(messages)
}

#[derive(Deserialize)]
struct Line {
    messages: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    role: Role,
    content: String,
    tool_calls: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] =
        br#"{"messages":[{"role":"user","content":"a","name":"x"},{"role":"assistant","content":"b"}],"n":1}"#;

    fn read_bytes(bytes: &[u8]) -> Result<Vec<Vec<Message>>, StageError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("train.jsonl"), bytes).unwrap();
        read(directory.path(), Split::Train).map_err(|mut error| {
            error.message = error.message.replace(&format!("{}/", directory.path().display()), "");
            error
        })
    }

    fn refused(line: &[u8]) -> String {
        let bytes = [GOOD, b"\n", line, b"\n"].concat();
        let message = read_bytes(&bytes).unwrap_err().message;
        message.strip_prefix("train.jsonl:2: ").unwrap_or(&message).to_owned()
    }

    #[test]
    fn a_file_without_lines_has_no_conversations_and_the_last_newline_may_lack() {
        assert_eq!(read_bytes(b"").unwrap().len(), 0);
        assert_eq!(read_bytes(b"\n").unwrap().len(), 0);
        assert_eq!(read_bytes(GOOD).unwrap().len(), 1);
        assert_eq!(read_bytes(&[GOOD, b"\r\n", GOOD, b"\r\n"].concat()).unwrap().len(), 2);
    }

    #[test]
    fn every_line_that_cannot_be_used_is_named() {
        assert_eq!(refused(b""), "the line is blank");
        assert_eq!(refused(b" \t\r"), "the line is blank");
        assert_eq!(refused(b"\xef\xbb\xbf{}"), "it begins with a byte order mark");
        assert_eq!(refused(b"{\"a\":\"\xe9\"}"), "byte 7 of the line is no UTF-8");
        assert_eq!(
            refused(b"{\"messages\":[]}"),
            "the last message is not the assistant's, so there is nothing to learn"
        );
        assert_eq!(refused(b"{\"messages\": 3}"), "invalid type: integer `3`, expected a sequence at column 14");
        assert!(
            refused(br#"{"messages":[{"role":"bot","content":"a"}]}"#)
                .starts_with("unknown variant `bot`, expected one of `system`")
        );
        assert!(
            refused(br#"{"messages":[{"role":"user","content":null}]}"#)
                .starts_with("invalid type: null, expected a string")
        );
        let called = br#"{"messages":[{"role":"assistant","content":"","tool_calls":[{"name":"f"}]}]}"#;
        assert_eq!(refused(called), "message 1 has `tool_calls`, which would not be learned");
        let many = read_bytes(&b"x\n".repeat(12)).unwrap_err().message;
        assert_eq!(many.lines().count(), 11);
        assert!(many.ends_with("\ntrain.jsonl:10: expected value at column 1\nand 2 more lines"), "{many}");
    }
}
