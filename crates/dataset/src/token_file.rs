//! The parts of a `tokenizer.json` that decide how many tokens a text has.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// The file. Keys that decide nothing (`post_processor`, `decoder`, `version`) are passed over.
#[derive(Deserialize)]
pub(crate) struct TokenFile {
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    pub(crate) added_tokens: Vec<AddedToken>,
    pub(crate) model: Model,
}

/// A token outside the model.
#[derive(Deserialize)]
pub(crate) struct AddedToken {
    pub(crate) id: u32,
    content: String,
    special: bool,
}

/// The model.
#[derive(Deserialize)]
pub(crate) struct Model {
    #[serde(rename = "type", default)]
    kind: Value,
    #[serde(default)]
    dropout: Value,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    /// Whether a word that is a token is one, whatever the merges say.
    #[serde(default)]
    pub(crate) ignore_merges: bool,
    #[serde(default)]
    pub(crate) vocab: HashMap<String, u32>,
    #[serde(default)]
    pub(crate) merges: Vec<Merge>,
}

/// Two tokens that become one: `"a b"` in older files, `["a", "b"]` in newer ones.
pub(crate) struct Merge {
    pub(crate) left: String,
    pub(crate) right: String,
}

impl TokenFile {
    /// The id of a token of the model.
    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.model.vocab.get(token).copied()
    }

    /// An error unless this is byte-level BPE over words of `pattern`, with the special tokens `chat`.
    pub(crate) fn refuse_other_forms(&self, pattern: &str, chat: &[&str]) -> Result<(), String> {
        let words = &self.pre_tokenizer;
        let in_words = |pointer: &str| words.pointer(pointer).cloned().unwrap_or(Value::Null);
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).into();
        let parts = in_words("/pretokenizers").as_array().map_or(0, Vec::len);
        let wanted: [(&str, Value, Value); 15] = [
            ("/model/type", self.model.kind.clone(), json!("BPE")),
            ("/model/dropout", self.model.dropout.clone(), Value::Null),
            ("/model/continuing_subword_prefix", text(&self.model.continuing_subword_prefix), Value::Null),
            ("/model/end_of_word_suffix", text(&self.model.end_of_word_suffix), Value::Null),
            ("/truncation", self.truncation.clone(), Value::Null),
            ("/padding", self.padding.clone(), Value::Null),
            ("/normalizer", self.normalizer.clone(), Value::Null),
            ("/pre_tokenizer/type", in_words("/type"), json!("Sequence")),
            ("/pre_tokenizer/pretokenizers (how many)", parts.into(), json!(2)),
            ("/pre_tokenizer/pretokenizers/0/pattern", in_words("/pretokenizers/0/pattern"), json!({"Regex": pattern})),
            ("/pre_tokenizer/pretokenizers/0/behavior", in_words("/pretokenizers/0/behavior"), json!("Isolated")),
            ("/pre_tokenizer/pretokenizers/0/invert", in_words("/pretokenizers/0/invert"), json!(false)),
            ("/pre_tokenizer/pretokenizers/1/type", in_words("/pretokenizers/1/type"), json!("ByteLevel")),
            (
                "/pre_tokenizer/pretokenizers/1/add_prefix_space",
                in_words("/pretokenizers/1/add_prefix_space"),
                json!(false),
            ),
            ("/pre_tokenizer/pretokenizers/1/use_regex", in_words("/pretokenizers/1/use_regex"), json!(false)),
        ];
        if let Some((pointer, found, expected)) = wanted.iter().find(|(_, found, expected)| found != expected) {
            return Err(format!("{pointer} is {found}, {expected} is wanted"));
        }
        if let Some(place) = self.added_tokens.iter().position(|token| !token.special) {
            return Err(format!("/added_tokens/{place} is not special, so it would be found inside of text"));
        }
        let missing = chat.iter().find(|special| self.added_tokens.iter().all(|token| token.content != **special));
        missing.map_or(Ok(()), |special| Err(format!("/added_tokens has no {special}")))
    }
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Merge, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens, as \"a b\" or [\"a\", \"b\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Merge, E> {
        let (left, right) = text.split_once(' ').ok_or_else(|| E::custom(format!("`{text}` is not two tokens")))?;
        Ok(Merge { left: left.to_owned(), right: right.to_owned() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Merge, A::Error> {
        let pair = (parts.next_element()?, parts.next_element()?, parts.next_element::<String>()?);
        let (Some(left), Some(right), None) = pair else { return Err(A::Error::custom("a merge is not two tokens")) };
        Ok(Merge { left, right })
    }
}
