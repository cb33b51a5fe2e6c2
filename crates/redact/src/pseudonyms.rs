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
        let mut done = 0;
        // As in redacting, names part the text into pieces, and addresses are looked for in those.
        for (start, end) in names::pseudonyms(text) {
            self.undo_addresses(&text[done..start], &mut original);
            original.push_str(self.original(&text[start..end]).unwrap_or(&text[start..end]));
            done = end;
        }
        self.undo_addresses(&text[done..], &mut original);
        original
    }

    fn undo_addresses(&self, piece: &str, original: &mut String) {
        for token in tokens(piece) {
            original.push_str(match token {
                Token::Address(part, _) => self.original(part).unwrap_or(part),
                Token::Other(part) => part,
            });
        }
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
