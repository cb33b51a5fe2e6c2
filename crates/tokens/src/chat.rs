//! How a conversation becomes token ids, and which of them are to be learned.
//!
//! Text is encoded apart from the special tokens around it: a file name in a scan that reads `<|eot_id|>` stays text and cannot
//! close a turn. For other text the ids are those of the rendered template (a test compares with transformers).

use contract::StageError;
use dataset::Message;
use tokenizers::Tokenizer;

use crate::chat_template::{ChatTemplate, End, Part};
use crate::template::Special;

/// The label of a token that is not to be learned, as in PyTorch and Hugging Face.
pub const IGNORED: i32 = -100;

/// Encodes conversations.
pub struct ChatEncoder {
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

/// A conversation as ids, with a label for each: its own id where it is to be learned, [`IGNORED`] elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Token ids.
    pub ids: Vec<i32>,
    /// Labels, not shifted.
    pub labels: Vec<i32>,
}

/// The result of [`ChatEncoder::fit`].
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
    /// An encoder on `tokenizer`, with the template that `tokenize` ships.
    pub fn new(tokenizer: Tokenizer) -> ChatEncoder {
        ChatEncoder::with_template(tokenizer, ChatTemplate::shipped())
    }

    /// An encoder on `tokenizer`, for conversations as `template` renders them.
    pub fn with_template(mut tokenizer: Tokenizer, template: ChatTemplate) -> ChatEncoder {
        tokenizer.set_encode_special_tokens(true);
        ChatEncoder { tokenizer, template }
    }

    /// The encoder on `tokenizer.json` and `chat_template.jinja` in `directory` (a `tokens` artifact or a model).
    pub fn load(directory: &std::path::Path) -> Result<ChatEncoder, StageError> {
        let path = directory.join("tokenizer.json");
        let tokenizer =
            Tokenizer::from_file(&path).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))?;
        Ok(ChatEncoder::with_template(tokenizer, ChatTemplate::load(directory)?))
    }

    /// The tokenizer, for decoding.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Ids of `messages` up to where the assistant's next answer begins.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<i32>, StageError> {
        let pieces = self.pieces(messages, End::Answer)?;
        Ok(pieces.into_iter().flat_map(|piece| piece.ids).collect())
    }

    /// `messages` in at most `max_length` tokens. Answers are never cut: one without its end teaches the model not to stop.
    pub fn fit(&self, messages: &[Message], max_length: usize) -> Result<Fitted, StageError> {
        let mut pieces = self.pieces(messages, End::Message)?;
        let length = pieces.iter().map(|piece| piece.ids.len()).sum::<usize>();
        let excess = length.saturating_sub(max_length);
        if excess > 0 {
            let question = pieces.iter_mut().rev().find(|piece| piece.source == Source::Question);
            match question {
                Some(question) if question.ids.len() > excess => question.ids.truncate(question.ids.len() - excess),
                _ => return Ok(Fitted::TooLong),
            }
        }
        let mut example = Example::default();
        for piece in &pieces {
            example.push(&piece.ids, piece.source == Source::Answer);
        }
        Ok(if excess > 0 { Fitted::Truncated(example) } else { Fitted::Whole(example) })
    }

    fn pieces(&self, messages: &[Message], end: End) -> Result<Vec<Piece>, StageError> {
        let parts = self.template.parts(messages, end)?;
        let mut pieces: Vec<Piece> = Vec::with_capacity(parts.len());
        let mut answer_is_open = false;
        for part in &parts {
            let (ids, source) = match part {
                Part::Special(special) if answer_is_open && *special != Special::EndOfTurn => {
                    return Err(self.template.wrong("it does not end an answer with <|eot_id|>"));
                }
                Part::Special(special) => {
                    (vec![special.id() as i32], if answer_is_open { Source::Answer } else { Source::Frame })
                }
                Part::Frame(_) if answer_is_open => {
                    return Err(self.template.wrong("it puts text behind an answer"));
                }
                Part::Frame(text) => (self.text(text)?, Source::Frame),
                Part::Content { message, text } if messages[*message].role == "assistant" => {
                    (self.text(text)?, Source::Answer)
                }
                Part::Content { text, .. } => (self.text(text)?, Source::Question),
            };
            answer_is_open = source == Source::Answer && matches!(part, Part::Content { .. });
            pieces.push(Piece { ids, source });
        }
        if answer_is_open { Err(self.template.wrong("it does not end an answer")) } else { Ok(pieces) }
    }

    fn text(&self, text: &str) -> Result<Vec<i32>, StageError> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
        Ok(encoding.get_ids().iter().map(|id| *id as i32).collect())
    }
}

/// A part of a conversation as ids.
struct Piece {
    ids: Vec<i32>,
    source: Source,
}

/// The origin of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The template.
    Frame,
    /// A message that is no answer. It can be cut.
    Question,
    /// An answer or its end: learned, never cut.
    Answer,
}

impl Example {
    fn push(&mut self, ids: &[i32], learned: bool) {
        self.ids.extend(ids);
        self.labels.extend(ids.iter().map(|id| if learned { *id } else { IGNORED }));
    }
}
