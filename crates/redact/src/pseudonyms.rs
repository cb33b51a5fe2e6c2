//! The map from pseudonyms to what they stand for. It leaves the machine with no dataset; an answer is undone with it.

use std::collections::HashMap;

use crate::names;
use crate::tokens::{Token, tokens};

/// Pseudonyms and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pseudonyms {
    originals: HashMap<String, String>,
}

impl Pseudonyms {
    /// The text that was redacted with this map.
    pub fn undo(&self, text: &str) -> String {
        let mut original = String::with_capacity(text.len());
        for token in tokens(text) {
            let (Token::Address(part, _) | Token::Mac(part, _) | Token::Word(part) | Token::Other(part)) = token;
            match token {
                Token::Other(_) => original.push_str(part),
                Token::Word(word) => self.undo_word(word, &mut original),
                _ => original.push_str(self.original(part).unwrap_or(part)),
            }
        }
        original
    }

    /// A word is where a name was replaced: `user-0123456789.service`. A pseudonym is two of its parts.
    fn undo_word(&self, word: &str, original: &mut String) {
        let parts = names::parts(word);
        let (mut first, mut done) = (0, 0);
        while let Some(&(start, end)) = parts.get(first) {
            let pseudonym = parts.get(first + 1).map(|&(_, end)| (end, &word[start..end]));
            let known = pseudonym.and_then(|(end, text)| Some((end, self.original(text)?)));
            original.push_str(&word[done..start]);
            let (end, text, more) = known.map_or((end, &word[start..end], 1), |(end, text)| (end, text, 2));
            original.push_str(text);
            (first, done) = (first + more, end);
        }
        original.push_str(&word[done..]);
    }

    /// What a pseudonym stands for.
    pub fn original(&self, pseudonym: &str) -> Option<&str> {
        self.originals.get(pseudonym).map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.originals.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.originals.is_empty()
    }

    /// Notes what a pseudonym stands for. False where it stands for something else already.
    pub(crate) fn note(&mut self, pseudonym: &str, original: &str) -> bool {
        match self.originals.get(pseudonym) {
            Some(known) => known == original,
            None => self.originals.insert(pseudonym.to_owned(), original.to_owned()).is_none(),
        }
    }
}
