//! Replaces what a scan shows of people, hosts and networks.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::Digest;

use crate::class;
use crate::names::{self, Kind, identifies, is_pseudonym};
use crate::pseudonyms::Pseudonyms;
use crate::tokens::{Token, tokens};

/// Parts that a name has at most.
const PARTS: usize = 12;

/// Knows names, and under which key values get their pseudonyms. A clone shares the names of hosts.
#[derive(Clone, Debug)]
pub struct Redactor {
    key: Digest,
    hosts: Arc<BTreeSet<String>>,
    users: BTreeSet<String>,
}

impl Redactor {
    /// For hosts of these names, under `key`, which must not be in what is given away: with it, one could try out who stands behind a
    /// pseudonym.
    pub fn new<'h>(key: Digest, hosts: impl IntoIterator<Item = &'h str>) -> Redactor {
        let hosts = hosts.into_iter().flat_map(names::hosts).filter(|name| is_name(name));
        Redactor { key, hosts: Arc::new(hosts.map(str::to_owned).collect()), users: BTreeSet::new() }
    }

    /// Learns the names of users that a text shows.
    pub fn learn_users(&mut self, text: &str) {
        for name in names::users(text).filter(|name| is_name(name)) {
            if !self.users.contains(name) {
                self.users.insert(name.to_owned());
            }
        }
    }

    /// What a name is known to be of. What looks like a pseudonym would be taken for one when the text is undone.
    fn kind(&self, name: &str) -> Option<Kind> {
        if self.hosts.contains(name) {
            return Some(Kind::Host);
        }
        (self.users.contains(name) || is_pseudonym(name)).then_some(Kind::User)
    }

    /// Replaces in the text itself; one that shows nothing keeps its place in memory, and most show nothing. Whether it showed something.
    pub fn redact_in_place(&self, text: &mut String, pseudonyms: &mut Pseudonyms) -> bool {
        let redacted = self.redact(text, pseudonyms);
        let differs = redacted != *text;
        if differs {
            *text = redacted;
        }
        differs
    }

    /// The text with pseudonyms, which `pseudonyms` notes. Texts that share a map share its names.
    pub fn redact(&self, text: &str, pseudonyms: &mut Pseudonyms) -> String {
        let mut redacted = String::with_capacity(text.len());
        for token in tokens(text) {
            match token {
                Token::Other(part) => redacted.push_str(part),
                Token::Word(word) => self.redact_word(word, &mut redacted, pseudonyms),
                Token::Address(part, address) => {
                    let pseudonym = |key: &Digest| class::address(key, address);
                    redacted.push_str(&self.free(part, pseudonym, pseudonyms).unwrap_or_else(|| part.to_owned()));
                }
                Token::Mac(part, octets) => {
                    let separator = if part.contains(':') { ':' } else { '-' };
                    let pseudonym = |key: &Digest| Some(class::mac(key, octets, separator));
                    redacted.push_str(&self.free(part, pseudonym, pseudonyms).unwrap_or_else(|| part.to_owned()));
                }
            }
        }
        redacted
    }

    /// The longest names first, so that `web-1.corp` is one name where both it and `web-1` are known.
    fn redact_word(&self, word: &str, redacted: &mut String, pseudonyms: &mut Pseudonyms) {
        if !word.contains(names::SEPARATORS) && self.kind(word).is_none() {
            return redacted.push_str(word);
        }
        let parts = names::parts(word);
        let (mut first, mut done) = (0, 0);
        while let Some(&(start, end)) = parts.get(first) {
            let spans = parts[first..parts.len().min(first + PARTS)].iter().enumerate().rev();
            let known = spans.map(|(more, &(_, end))| (more, end)).find_map(|(more, end)| {
                let name = &word[start..end];
                Some((more, end, self.name(self.kind(name)?, name, pseudonyms)))
            });
            redacted.push_str(&word[done..start]);
            match known {
                Some((more, end, pseudonym)) => {
                    redacted.push_str(&pseudonym);
                    (first, done) = (first + more + 1, end);
                }
                None => {
                    redacted.push_str(&word[start..end]);
                    (first, done) = (first + 1, end);
                }
            }
        }
        redacted.push_str(&word[done..]);
    }

    /// The pseudonym of a name.
    fn name(&self, kind: Kind, name: &str, pseudonyms: &mut Pseudonyms) -> String {
        let pseudonym = |key: &Digest| {
            let parts: [&[u8]; 3] = [key.as_bytes(), kind.prefix().as_bytes(), name.as_bytes()];
            Some(names::pseudonym(kind, &Digest::of(&parts.concat()).to_string())).filter(|text| text != name)
        };
        self.free(name, pseudonym, pseudonyms).unwrap_or_else(|| name.to_owned())
    }

    /// The pseudonym of a host's own name, which is the name of a directory too.
    pub fn host(&self, name: &str, pseudonyms: &mut Pseudonyms) -> String {
        self.name(Kind::Host, name, pseudonyms)
    }

    /// The first pseudonym that stands for nothing else: two values collide once in a million, and one address may be written in two
    /// ways.
    fn free(
        &self,
        original: &str,
        pseudonym: impl Fn(&Digest) -> Option<String>,
        pseudonyms: &mut Pseudonyms,
    ) -> Option<String> {
        let mut key = self.key;
        loop {
            let candidate = pseudonym(&key)?;
            if pseudonyms.note(&candidate, original) {
                return Some(candidate);
            }
            key = Digest::of(key.as_bytes());
        }
    }
}

/// Whether a name is worth replacing wherever it stands. What reads as an address is replaced as one.
fn is_name(name: &str) -> bool {
    identifies(name) && matches!(tokens(name)[..], [Token::Word(word)] if word == name)
}
