//! Counts the tokens of text and of conversations exactly as a `tokenizer.json` would make them, where it is a byte-level BPE that
//! cuts text as Llama 3 does: those of the stage `tokenize` and of the Llama 3 models. Any other is refused.
//!
//! The library `tokenizers` would read all of them, and would double what this worker takes to build.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use contract::stage::At;
use contract::{Digest, StageError};

use crate::token_file::TokenFile;
use crate::trim::trim;
use crate::words::{LLAMA_3_SPLIT, words};

/// A vocabulary that counts.
pub struct TokenCounter {
    /// Of the file.
    pub digest: Digest,
    /// Its tokens, special ones included.
    pub vocabulary: usize,
    bytes: [u32; 256],
    /// Rank and result by pair; the lowest rank is merged first.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// Words that are one token whatever the merges say.
    whole: HashMap<Box<[u8]>, u32>,
}

/// The special tokens of Llama 3's chat form.
const CHAT: [&str; 4] = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

impl TokenCounter {
    /// Reads a `tokenizer.json`.
    pub fn read(path: &Path) -> Result<TokenCounter, StageError> {
        let bytes = std::fs::read(path).at(path)?;
        TokenCounter::of(&bytes).map_err(|why| {
            StageError::invalid_input(format!("{}: {why}", path.display())).help(
                "tokens are counted for byte-level BPE with Llama 3's split and chat form only; leave `tokenizer` out to go without",
            )
        })
    }

    /// The counter of a `tokenizer.json`, or why its tokens cannot be counted.
    pub fn of(file: &[u8]) -> Result<TokenCounter, String> {
        let parsed: TokenFile = serde_json::from_slice(file).map_err(|e| e.to_string())?;
        parsed.refuse_other_forms(LLAMA_3_SPLIT, &CHAT)?;
        let alphabet = alphabet();
        let mut bytes = [0; 256];
        for (id, symbol) in bytes.iter_mut().zip(alphabet) {
            let symbol = symbol.to_string();
            *id = parsed.id(&symbol).ok_or_else(|| format!("/model/vocab has no token `{symbol}` for its byte"))?;
        }
        let mut merges = HashMap::with_capacity(parsed.model.merges.len());
        for (rank, merge) in parsed.model.merges.iter().enumerate() {
            let id = |text: &str| {
                parsed.id(text).ok_or_else(|| format!("/model/merges/{rank}: /model/vocab has no token `{text}`"))
            };
            let (left, right) = (merge.left.as_str(), merge.right.as_str());
            // A pair that is there twice has its last rank, as in the library.
            merges.insert((id(left)?, id(right)?), (rank as u32, id(&(left.to_owned() + right))?));
        }
        let vocabulary: HashSet<u32> =
            parsed.model.vocab.values().copied().chain(parsed.added_tokens.iter().map(|token| token.id)).collect();
        let whole = if parsed.model.ignore_merges { whole(&parsed.model.vocab, &alphabet) } else { HashMap::new() };
        Ok(TokenCounter { digest: Digest::of(file), vocabulary: vocabulary.len(), bytes, merges, whole })
    }

    /// Tokens of a conversation in Llama 3's chat form. What reads like a special token counts as the text it is.
    pub fn conversation<'a>(&self, messages: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        let turn = |(role, content): (&str, &str)| 3 + self.text(role) + self.text("\n\n") + self.text(trim(content));
        1 + messages.into_iter().map(turn).sum::<usize>()
    }

    /// Tokens of a text.
    pub fn text(&self, text: &str) -> usize {
        words(text).map(|word| self.word(word.as_bytes())).sum()
    }

    fn word(&self, word: &[u8]) -> usize {
        if self.whole.contains_key(word) {
            return 1;
        }
        let mut ids: Vec<u32> = word.iter().map(|byte| self.bytes[usize::from(*byte)]).collect();
        loop {
            let pairs = ids.windows(2).enumerate();
            let known = pairs.filter_map(|(place, pair)| {
                let (rank, id) = self.merges.get(&(*pair.first()?, *pair.last()?))?;
                Some((*rank, place, *id))
            });
            let Some((_, place, id)) = known.min() else { return ids.len() };
            ids[place] = id;
            ids.remove(place + 1);
        }
    }
}

/// The character that stands for each byte in a byte-level vocabulary: printable ones for themselves, the others from 256 on.
fn alphabet() -> [char; 256] {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = (0x100..).filter_map(char::from_u32);
    std::array::from_fn(|byte| match byte as u8 {
        byte if printable(byte) => char::from(byte),
        _ => others.next().unwrap_or(char::REPLACEMENT_CHARACTER),
    })
}

/// The tokens of the vocabulary as the bytes that they stand for.
fn whole(vocab: &HashMap<String, u32>, alphabet: &[char; 256]) -> HashMap<Box<[u8]>, u32> {
    let bytes: HashMap<char, u8> = alphabet.iter().copied().zip(0..=255).collect();
    let decoded = |text: &str| text.chars().map(|c| bytes.get(&c).copied()).collect::<Option<Box<[u8]>>>();
    vocab.iter().filter_map(|(text, id)| Some((decoded(text)?, *id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Bytes, `ab` and `abc`.
    fn file() -> Value {
        let mut vocab: serde_json::Map<String, Value> =
            alphabet().iter().enumerate().map(|(id, c)| (c.to_string(), id.into())).collect();
        vocab.insert("ab".to_owned(), 256.into());
        vocab.insert("abc".to_owned(), 257.into());
        vocab.insert("xyz".to_owned(), 258.into());
        let special = |(id, text)| json!({"id": 300 + id, "content": text, "special": true, "lstrip": false});
        json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
            "added_tokens": CHAT.iter().enumerate().map(special).collect::<Vec<_>>(),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": LLAMA_3_SPLIT}, "behavior": "Isolated", "invert": false},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            ]},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab, "merges": ["a b", ["ab", "c"]]},
        })
    }

    fn counter(file: &Value) -> Result<TokenCounter, String> {
        TokenCounter::of(file.to_string().as_bytes())
    }

    #[test]
    fn merges_are_made_by_rank_and_whole_words_where_they_are_ignored() {
        let mut file = file();
        let counted = counter(&file).unwrap();
        assert_eq!(["abc", "abab", "cab", "xyz", "é"].map(|text| counted.text(text)), [1, 2, 2, 3, 2]);
        assert_eq!(counted.vocabulary, 263);
        // The start; three tokens and two for the newlines in each turn, then role and content.
        assert_eq!(counted.conversation([("ab", " abc \n"), ("c", "")]), 1 + (3 + 2 + 1 + 1) + (3 + 2 + 1));
        file["model"]["ignore_merges"] = true.into();
        assert_eq!(counter(&file).unwrap().text("xyz"), 1);
    }

    #[test]
    fn what_cannot_be_counted_is_refused_with_its_place() {
        let refused = |pointer: &str, value: Value, expected: &str| {
            let mut file = file();
            *file.pointer_mut(pointer).unwrap() = value;
            let why = counter(&file).err().unwrap();
            assert!(why.contains(expected), "{why}");
        };
        refused("/normalizer", json!({"type": "NFC"}), "/normalizer");
        refused(
            "/pre_tokenizer/pretokenizers/0/pattern/Regex",
            json!(r"\s+"),
            "/pre_tokenizer/pretokenizers/0/pattern",
        );
        refused(
            "/pre_tokenizer/pretokenizers/1/add_prefix_space",
            json!(true),
            "/pre_tokenizer/pretokenizers/1/add_prefix_space",
        );
        refused("/pre_tokenizer", json!({"type": "Whitespace"}), "/pre_tokenizer/type");
        refused("/model/type", json!("WordPiece"), "/model/type");
        refused("/model/dropout", json!(0.1), "/model/dropout");
        refused("/model/merges/1", json!("b c"), "`bc`");
        refused("/model/merges/1", json!("bc"), "two tokens");
        refused("/added_tokens/0/special", json!(false), "/added_tokens/0");
        refused("/added_tokens/3/content", json!("</s>"), "<|eot_id|>");
        refused("/truncation", json!({"max_length": 5}), "/truncation");
        refused("/model/vocab", json!({}), "/model/vocab");
    }
}
