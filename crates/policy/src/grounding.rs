//! Whether an answer says only what its question shows.
//!
//! Whatever the rule's answer says is shown too: it was made from what the question is about. The text of an answer is grounded when
//!
//! - every fact in it ([`facts`]) is shown;
//! - every word of letters is shown, or one of `words.txt`, which say nothing about a host: a program may be called like any other word;
//! - each text says something of it: a word that is shown and none of those;
//! - every number, rating and word that counts or denies stands beside a word that it stands beside there: 22 may be a port and no count;
//! - a finding that it rates has that rating in the rule's answer;
//! - it names no correlation, and no verdict, that is not shown.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use scan::Severity;
use serde_json::Value;

use crate::complete::{VERDICTS, titles};
use crate::facts;
use crate::form::{Form, all_text};
use crate::judge::Question;

static WORDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| include_str!("words.txt").split_whitespace().collect());

/// Words that count or deny.
const COUNTING: [&str; 30] = [
    "no", "not", "never", "none", "nothing", "without", "first", "second", "third", "once", "twice", "new", "one",
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "all", "every", "any", "few", "many",
    "several", "most", "only",
];

/// What `answer` says without ground, in quotes.
pub(crate) fn check(question: &Question<'_>, form: Form, answer: &Value) -> Result<(), String> {
    let ground = Ground::of(question, form);
    form.texts(answer).into_iter().try_for_each(|(field, text)| ground.shows(field, text))
}

/// What a question shows, in lower case.
struct Ground {
    text: String,
    words: BTreeSet<String>,
    /// Two words, one behind the other.
    pairs: BTreeSet<(String, String)>,
    /// The findings that the rule's answer rates, as it rates them.
    rated: BTreeSet<String>,
    /// The verdicts of the rule's answer: a file may be called as one.
    verdicts: Vec<&'static str>,
    /// The rule's answer.
    rule: String,
}

impl Ground {
    fn of(question: &Question<'_>, form: Form) -> Ground {
        let rule = all_text(question.rule).to_lowercase();
        let text = format!("{}\n{rule}", question.prompt.to_lowercase());
        let lines: Vec<Vec<String>> = text.lines().map(words).collect();
        let pair = |pair: &[String]| (pair[0].clone(), pair[1].clone());
        Ground {
            pairs: lines.iter().flat_map(|line| line.windows(2).map(pair)).collect(),
            words: lines.into_iter().flatten().collect(),
            rated: form.texts(question.rule).into_iter().filter_map(|(_, text)| facts::rated(text)).collect(),
            verdicts: VERDICTS.into_iter().filter(|verdict| rule.contains(verdict)).collect(),
            rule,
            text,
        }
    }

    fn shows(&self, field: &str, text: &str) -> Result<(), String> {
        if let Some(fact) = facts::of_text(field, text).iter().find(|fact| !facts::is_shown(fact, &self.text)) {
            return Err(format!("{fact:?}"));
        }
        if let Some(rated) =
            facts::rated(text).filter(|rated| facts::LISTS.contains(&field) && !self.rated.contains(rated))
        {
            return Err(format!("{rated:?}"));
        }
        let lower = text.to_lowercase();
        if let Some((title, _)) = titles(&lower).find(|(title, _)| !self.text.contains(title)) {
            return Err(format!("{title:?}"));
        }
        if let Some(verdict) =
            VERDICTS.iter().find(|verdict| lower.contains(**verdict) && !self.verdicts.contains(verdict))
        {
            return Err(format!("{verdict:?}"));
        }
        let words = words(text);
        if !words.iter().any(|word| self.words.contains(word) && !WORDS.contains(word.as_str()))
            && !self.rule.contains(&lower)
        {
            return Err(format!("{text:?}"));
        }
        self.shows_words(&words)
    }

    fn shows_words(&self, words: &[String]) -> Result<(), String> {
        for (place, word) in words.iter().enumerate() {
            let number = word.chars().all(char::is_numeric);
            let letters = word.chars().all(char::is_alphabetic);
            if letters && !self.words.contains(word) && !WORDS.contains(word.as_str()) {
                return Err(format!("{word:?}"));
            }
            let before = place.checked_sub(1).map(|before| (words[before].clone(), word.clone()));
            let after = words.get(place + 1).map(|after| (word.clone(), after.clone()));
            let mut beside = before.iter().chain(&after).peekable();
            if (number || is_counted(word)) && beside.peek().is_some() && !beside.any(|pair| self.pairs.contains(pair))
            {
                let told = [
                    before.as_ref().map(|(before, _)| before.as_str()),
                    Some(word),
                    after.as_ref().map(|(_, after)| after.as_str()),
                ];
                return Err(format!("{:?}", told.into_iter().flatten().collect::<Vec<_>>().join(" ")));
            }
        }
        Ok(())
    }
}

/// Whether a word is a rating, or counts or denies.
fn is_counted(word: &str) -> bool {
    COUNTING.contains(&word) || Severity::ALL.iter().any(|severity| severity.name() == word)
}

/// The words of a text in lower case, without signs around them.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
