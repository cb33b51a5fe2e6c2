//! Words that are no names: of formats, of paths that every system has, of prompts, and what whoever redacts adds to them.

use std::collections::HashSet;

use crate::names::{in_word, lower, parts};

/// Words of protocols, states, severities, of the directories of a system, and of the prompts that are made of findings.
const STANDARD: &str = include_str!("vocabulary.txt");
/// Words that can be added: what a report shows is not bounded, and memory is.
const MOST: usize = 1 << 16;

/// Words that no name replaces, in lower case.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    words: HashSet<String>,
}

impl Default for Vocabulary {
    fn default() -> Vocabulary {
        Vocabulary { words: STANDARD.split_whitespace().map(str::to_owned).collect() }
    }
}

impl Vocabulary {
    /// Adds the words of a text, and the parts of words: of `redis-server.service` also `redis`.
    pub fn add(&mut self, text: &str) {
        for word in text.split(|c: char| !in_word(c) && c != '.') {
            let word = word.trim_matches('.');
            let parts = parts(word).into_iter().map(|(start, end)| &word[start..end]);
            for part in parts.chain([word]).filter(|part| !part.is_empty()) {
                let part = lower(part);
                if !self.words.contains(&*part) && self.words.len() < MOST {
                    self.words.insert(part.into_owned());
                }
            }
        }
    }

    /// Whether a name is one of the words, in any case.
    pub fn holds(&self, name: &str) -> bool {
        self.words.contains(&*lower(name))
    }
}
