//! How a conversation becomes token ids, and which of them are to be learned.
//!
//! Ids are those of transformers: the rendered text is encoded as a whole. One thing differs on purpose. A file name in a scan that reads
//! `<|eot_id|>` stays text and cannot close a turn: where a message holds the text of a special token, what the template wrote and what
//! the message holds are encoded apart.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use contract::StageError;
use dataset::{Message, Role};
use tokenizers::{AddedToken, PostProcessorWrapper, Tokenizer};

use crate::chat_template::{ChatTemplate, Content, End};
use crate::manifest::Learn;

/// The label of a token that is not to be learned, as in PyTorch and Hugging Face.
pub const IGNORED: i32 = -100;

/// Encodes conversations.
pub struct ChatEncoder {
    tokenizer: Tokenizer,
    /// The same, to which special tokens are ordinary text.
    literal: OnceLock<Tokenizer>,
    template: ChatTemplate,
    specials: Vec<Special>,
    /// The first and the last characters of their texts: a message without any of these cannot be mistaken for one.
    ends_of_specials: Vec<char>,
    /// The token with which the template ends an answer.
    end_of_turn: u32,
}

/// A special token.
struct Special {
    text: String,
    id: u32,
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
    Truncated {
        /// The rest.
        example: Example,
        /// Tokens that were cut.
        cut: usize,
    },
    /// It is left out: even without its last question it is too long.
    TooLong {
        /// Its tokens.
        tokens: usize,
    },
}

/// A token and the bytes of the text that it stands for.
struct Token {
    id: u32,
    range: Range<usize>,
}

impl Token {
    /// Whether it stands for some of `range`.
    fn overlaps(&self, range: &Range<usize>) -> bool {
        let Range { start, end } = self.range;
        if start == end { range.contains(&start) } else { start < range.end && end > range.start }
    }
}

impl ChatEncoder {
    /// An encoder on `tokenizer` for conversations as `template` renders them.
    pub fn new(mut tokenizer: Tokenizer, template: ChatTemplate) -> Result<ChatEncoder, StageError> {
        let wrong = |error: tokenizers::Error| StageError::invalid_input(format!("tokenizer.json: {error}"));
        tokenizer.set_encode_special_tokens(false);
        // A file may hold what some program cut and padded batches to. The post-processor adds tokens that the template writes itself,
        // and takes white space out of the bytes that a token stands for.
        tokenizer.with_truncation(None).map_err(wrong)?;
        tokenizer.with_padding(None).with_post_processor(None::<PostProcessorWrapper>);
        // Tokens with a role are special, as in transformers, also where tokenizer.json does not say so.
        let named =
            template.names().iter().filter(|(_, text)| !text.is_empty() && tokenizer.token_to_id(text).is_some());
        let named: Vec<AddedToken> = named.map(|(_, text)| AddedToken::from(text, true).normalized(false)).collect();
        tokenizer.add_special_tokens(named.clone()).map_err(wrong)?;
        let is_special = |token: &AddedToken| token.special || named.iter().any(|named| named.content == token.content);
        let mut specials: Vec<Special> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| is_special(token) && !token.content.is_empty())
            .map(|(id, token)| Special { text: token.content, id })
            .collect();
        // The longest of those that begin alike is meant.
        specials.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then_with(|| a.text.cmp(&b.text)));
        let ends = specials
            .iter()
            .flat_map(|special| special.text.chars().next().into_iter().chain(special.text.chars().next_back()));
        let mut ends_of_specials: Vec<char> = ends.collect();
        ends_of_specials.sort_unstable();
        ends_of_specials.dedup();
        let literal = OnceLock::new();
        let mut encoder = ChatEncoder { tokenizer, literal, template, specials, ends_of_specials, end_of_turn: 0 };
        encoder.end_of_turn = encoder.find_end_of_turn()?;
        Ok(encoder)
    }

    /// The encoder of a `tokens` artifact or a model: `tokenizer.json` and the chat template in `directory`; without a template that which
    /// `tokenize` ships.
    pub fn load(directory: &Path) -> Result<ChatEncoder, StageError> {
        let path = directory.join("tokenizer.json");
        let tokenizer =
            Tokenizer::from_file(&path).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))?;
        ChatEncoder::new(tokenizer, ChatTemplate::load(directory)?.unwrap_or_else(ChatTemplate::shipped))
    }

    /// The tokenizer, for decoding.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The token with which the template ends an answer, and at which generation has to stop.
    pub fn end_of_turn(&self) -> u32 {
        self.end_of_turn
    }

    /// Ids of `messages` up to where the assistant's next answer begins.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<i32>, StageError> {
        let text = self.template.render(messages, End::Answer)?.text;
        let tokens = self.tokens(messages, End::Answer, &text)?;
        Ok(tokens.iter().map(|token| token.id as i32).collect())
    }

    /// `messages` in at most `max_length` tokens, with what `learn` says to learn. Answers are never cut: one without its end teaches the
    /// model not to stop.
    pub fn fit(&self, messages: &[Message], learn: Learn, max_length: usize) -> Result<Fitted, StageError> {
        let rendered = self.template.render(messages, End::Message)?;
        let text = rendered.text.as_str();
        let contents = || self.template.contents(messages, End::Message, text);
        let mut learned = match rendered.learned {
            Some(learned) => learned,
            None => self.answers(messages, text, &contents()?)?,
        };
        if learn == Learn::Last {
            learned.drain(..learned.len().saturating_sub(1));
        }
        let mut tokens = self.tokens(messages, End::Message, text)?;
        let whole = tokens.len();
        let excess = whole.saturating_sub(max_length);
        if excess > 0 {
            // A template that says itself what is learned may have changed a message beyond recognition.
            let room = contents().ok().and_then(|contents| question(messages, &contents, &tokens));
            match room {
                Some(question) if question.len() > excess => {
                    tokens.drain(question.end - excess..question.end);
                }
                _ => return Ok(Fitted::TooLong { tokens: whole }),
            }
        }
        let is_learned = |token: &Token| learned.iter().any(|range| token.overlaps(range));
        let label = |token: &Token| if is_learned(token) { token.id as i32 } else { IGNORED };
        let example = Example {
            ids: tokens.iter().map(|token| token.id as i32).collect(),
            labels: tokens.iter().map(label).collect(),
        };
        Ok(if excess > 0 { Fitted::Truncated { example, cut: excess } } else { Fitted::Whole(example) })
    }

    /// Whether an answer begins where the prompt for it ends, as [`ChatEncoder::prompt`] gives it: what is learned must be what is asked for.
    pub fn prompts_as_it_teaches(&self) -> Result<bool, StageError> {
        let messages = exchange();
        let prompt = self.template.render(&messages[..1], End::Answer)?.text;
        let text = self.template.render(&messages, End::Message)?.text;
        let rest = text.strip_prefix(&prompt).unwrap_or_default();
        Ok(rest.trim_start().starts_with(&messages[1].content))
    }

    fn find_end_of_turn(&self) -> Result<u32, StageError> {
        let messages = exchange();
        let text = self.template.render(&messages, End::Message)?.text;
        let contents = self.template.contents(&messages, End::Message, &text)?;
        let answer = contents.iter().position(|content| messages[content.message].role == Role::Assistant);
        let end = answer.and_then(|answer| self.end(&contents, answer, &text));
        end.map(|(_, special)| special.id).ok_or_else(|| self.open_answer())
    }

    /// The bytes of the answers, each with the token that ends it.
    fn answers(&self, messages: &[Message], text: &str, contents: &[Content]) -> Result<Vec<Range<usize>>, StageError> {
        let answers =
            contents.iter().enumerate().filter(|(_, content)| messages[content.message].role == Role::Assistant);
        let whole = answers.map(|(at, content)| {
            let (end, _) = self.end(contents, at, text).ok_or_else(|| self.open_answer())?;
            Ok(content.range.start..end)
        });
        whole.collect()
    }

    /// Where the token ends that follows content `at`, before the next content, and which it is.
    fn end(&self, contents: &[Content], at: usize, text: &str) -> Option<(usize, &Special)> {
        let start = contents.get(at)?.range.end;
        let stop = contents.get(at + 1).map_or(text.len(), |next| next.range.start);
        let (range, special) = self.first_special(text, start..stop)?;
        Some((range.end, special))
    }

    fn open_answer(&self) -> StageError {
        self.template
            .wrong("it does not end an answer with a special token")
            .help("a model learns to stop by such a token: write one behind the content of the assistant's messages")
    }

    /// The first special token within `range` of `text`.
    fn first_special(&self, text: &str, range: Range<usize>) -> Option<(Range<usize>, &Special)> {
        let part = text.get(range.clone())?;
        let found = self.specials.iter().filter_map(|special| Some((part.find(&special.text)?, special)));
        // The first of equals is the longest.
        let (at, special) = found.min_by_key(|(at, _)| *at)?;
        let start = range.start + at;
        Some((start..start + special.text.len(), special))
    }

    /// The tokens of `text`, the rendering of `messages`.
    fn tokens(&self, messages: &[Message], end: End, text: &str) -> Result<Vec<Token>, StageError> {
        let whole = encode(&self.tokenizer, text, 0)?;
        if !messages.iter().any(|message| self.may_forge(&message.content)) {
            return Ok(whole);
        }
        let contents = self.template.contents(messages, end, text)?;
        let is_special = |token: &Token| self.specials.iter().any(|special| special.id == token.id);
        let is_forged =
            |token: &Token| is_special(token) && contents.iter().any(|content| token.overlaps(&content.range));
        if whole.iter().any(is_forged) { self.apart(text, &contents) } else { Ok(whole) }
    }

    /// Whether `content` holds the text of a special token, or a piece of one at an end, which something beside it could complete.
    fn may_forge(&self, content: &str) -> bool {
        if !content.contains(self.ends_of_specials.as_slice()) {
            return false;
        }
        let at_an_end = |text: &str, special: &str| {
            (1..special.len())
                .filter_map(|at| special.split_at_checked(at))
                .any(|(first, last)| text.ends_with(first) || text.starts_with(last))
        };
        let trimmed = dataset::trim::trim(content);
        self.specials.iter().any(|special| {
            let special = special.text.as_str();
            content.contains(special) || at_an_end(content, special) || at_an_end(trimmed, special)
        })
    }

    /// The tokens of `text`, with special tokens only outside of `contents`.
    fn apart(&self, text: &str, contents: &[Content]) -> Result<Vec<Token>, StageError> {
        if let Ok(split) = serde_json::to_string(&self.tokenizer.get_pre_tokenizer())
            && split.contains(r#""prepend_scheme":"first""#)
        {
            let message = "a message holds the text of a special token, which this tokenizer cannot encode as text: it treats the start of \
                a text apart (Metaspace with prepend_scheme first)";
            return Err(StageError::invalid_input(message).help("take the text of special tokens out of the messages"));
        }
        let literal = self.literal.get_or_init(|| {
            let mut literal = self.tokenizer.clone();
            literal.set_encode_special_tokens(true);
            literal
        });
        let (mut tokens, mut at, mut frame) = (Vec::new(), 0, 0);
        for stop in contents.iter().map(Some).chain([None]) {
            let frame_end = stop.map_or(text.len(), |content| content.range.start);
            while let Some((range, special)) = self.first_special(text, frame..frame_end) {
                tokens.extend(encode(literal, text.get(at..range.start).unwrap_or_default(), at)?);
                (at, frame) = (range.end, range.end);
                tokens.push(Token { id: special.id, range });
            }
            frame = stop.map_or(frame, |content| content.range.end);
        }
        tokens.extend(encode(literal, text.get(at..).unwrap_or_default(), at)?);
        Ok(tokens)
    }
}

/// The shortest conversation with an answer.
fn exchange() -> [Message; 2] {
    let message = |role, content: &str| Message { role, content: content.to_owned() };
    [message(Role::User, "question"), message(Role::Assistant, "answer")]
}

/// The tokens of the last message that is no answer, as far as they stand for nothing else: those that can be cut.
fn question(messages: &[Message], contents: &[Content], tokens: &[Token]) -> Option<Range<usize>> {
    let question = contents.iter().rev().find(|content| messages[content.message].role != Role::Assistant)?;
    let inside = |token: &Token| token.range.start >= question.range.start && token.range.end <= question.range.end;
    let start = tokens.iter().position(inside)?;
    let length = tokens[start..].iter().take_while(|token| inside(token)).count();
    Some(start..start + length)
}

/// The tokens of `text`, which begins at byte `at` of a longer one.
fn encode(tokenizer: &Tokenizer, text: &str, at: usize) -> Result<Vec<Token>, StageError> {
    let encoding = tokenizer.encode(text, false).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
    let pairs = encoding.get_ids().iter().zip(encoding.get_offsets());
    Ok(pairs.map(|(id, (start, end))| Token { id: *id, range: at + start..at + end }).collect())
}
