//! How a conversation becomes token ids, and which of them are to be learned.
//!
//! Text is encoded apart from the special tokens around it: a file name in a scan that reads `<|eot_id|>` stays text and cannot
//! close a turn. For other text the ids are those of the rendered template (a test compares with transformers).

use contract::StageError;
use dataset::Message;
use tokenizers::Tokenizer;

use crate::template::{AFTER_HEADER, Special};

/// The label of a token that is not to be learned, as in PyTorch and Hugging Face.
pub const IGNORED: i32 = -100;

/// Encodes conversations.
pub struct ChatEncoder {
    tokenizer: Tokenizer,
}

/// A conversation as ids, with a label for each: its own id where it is to be learned, [`IGNORED`] elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Token ids.
    pub ids: Vec<i32>,
    /// Labels, not shifted.
    pub labels: Vec<i32>,
}

/// What [`ChatEncoder::fit`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fitted {
    /// It fits as it is.
    Whole(Example),
    /// The end of the last question was cut.
    Truncated(Example),
    /// The answer alone is too long.
    TooLong,
}

impl ChatEncoder {
    /// An encoder on `tokenizer`.
    pub fn new(mut tokenizer: Tokenizer) -> ChatEncoder {
        tokenizer.set_encode_special_tokens(true);
        ChatEncoder { tokenizer }
    }

    /// The encoder on `tokenizer.json` in `directory` (a `tokens` artifact or a model).
    pub fn load(directory: &std::path::Path) -> Result<ChatEncoder, StageError> {
        let path = directory.join("tokenizer.json");
        let tokenizer =
            Tokenizer::from_file(&path).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))?;
        Ok(ChatEncoder::new(tokenizer))
    }

    /// The tokenizer, for decoding.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Ids of `messages` up to where the assistant's next answer begins.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<i32>, StageError> {
        let mut ids = vec![Special::BeginOfText.id() as i32];
        for message in messages {
            ids.extend(self.header(&message.role)?);
            ids.extend(self.text(message.content.trim())?);
            ids.push(Special::EndOfTurn.id() as i32);
        }
        ids.extend(self.header("assistant")?);
        Ok(ids)
    }

    /// `messages` in at most `max_length` tokens. Answers are never cut: one without its end teaches the model not to stop.
    pub fn fit(&self, messages: &[Message], max_length: usize) -> Result<Fitted, StageError> {
        let mut turns = messages.iter().map(|message| self.turn(message)).collect::<Result<Vec<_>, _>>()?;
        let length = 1 + turns.iter().map(Turn::len).sum::<usize>();
        let excess = length.saturating_sub(max_length);
        if excess > 0 {
            let question = turns.iter_mut().rev().find(|turn| !turn.learned);
            match question {
                Some(question) if question.text.len() > excess => {
                    question.text.truncate(question.text.len() - excess);
                }
                _ => return Ok(Fitted::TooLong),
            }
        }
        let example = assemble(&turns);
        Ok(if excess > 0 { Fitted::Truncated(example) } else { Fitted::Whole(example) })
    }

    fn turn(&self, message: &Message) -> Result<Turn, StageError> {
        Ok(Turn {
            header: self.header(&message.role)?,
            text: self.text(message.content.trim())?,
            learned: message.role == "assistant",
        })
    }

    fn header(&self, role: &str) -> Result<Vec<i32>, StageError> {
        let mut ids = vec![Special::StartHeader.id() as i32];
        ids.extend(self.text(role)?);
        ids.push(Special::EndHeader.id() as i32);
        ids.extend(self.text(AFTER_HEADER)?);
        Ok(ids)
    }

    fn text(&self, text: &str) -> Result<Vec<i32>, StageError> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
        Ok(encoding.get_ids().iter().map(|id| *id as i32).collect())
    }
}

/// An encoded message; its end token is implied.
struct Turn {
    header: Vec<i32>,
    text: Vec<i32>,
    learned: bool,
}

impl Turn {
    fn len(&self) -> usize {
        self.header.len() + self.text.len() + 1
    }
}

fn assemble(turns: &[Turn]) -> Example {
    let mut example = Example::default();
    example.push(&[Special::BeginOfText.id() as i32], false);
    for turn in turns {
        example.push(&turn.header, false);
        example.push(&turn.text, turn.learned);
        example.push(&[Special::EndOfTurn.id() as i32], turn.learned);
    }
    example
}

impl Example {
    fn push(&mut self, ids: &[i32], learned: bool) {
        self.ids.extend(ids);
        self.labels.extend(ids.iter().map(|id| if learned { *id } else { IGNORED }));
    }
}
