//! Replaces what a scan shows of people, hosts and networks.

use std::collections::HashMap;

use contract::Digest;

use crate::class;
use crate::names::{self, Kind, identifies, in_word, is_personal, lower};
use crate::places::{self, Trust};
use crate::pseudonyms::Pseudonyms;
use crate::tokens::{Token, tokens, words};
use crate::vocabulary::Vocabulary;

/// Parts that a name has at most.
const PARTS: usize = 12;
/// Names that can be learned; of more only the place where they are shown is replaced.
const MOST: usize = 1 << 18;

/// Knows names, and under which key values get their pseudonyms.
#[derive(Clone, Debug)]
pub struct Redactor {
    key: Digest,
    /// By their lower case.
    names: HashMap<String, Kind>,
    vocabulary: Vocabulary,
}

/// A part of a text that is a name.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    kind: Kind,
}

impl Redactor {
    /// For hosts of these names, under `key`, which must not be in what is given away: with it, one could try out who stands behind a
    /// pseudonym. No word of the vocabulary is taken for a name.
    pub fn new<'h>(key: Digest, hosts: impl IntoIterator<Item = &'h str>, vocabulary: Vocabulary) -> Redactor {
        let mut redactor = Redactor { key, names: HashMap::new(), vocabulary };
        for host in hosts {
            redactor.learn_host(host);
        }
        redactor
    }

    /// The same names under another key.
    pub fn keyed(self, key: Digest) -> Redactor {
        Redactor { key, ..self }
    }

    /// Learns the names of users whose home directories a text shows.
    pub fn learn(&mut self, text: &str) {
        if !text.contains('/') {
            return;
        }
        let shown = places::shown(text, &|name| self.is_domain(name));
        for place in shown.iter().filter(|place| place.trust == Trust::Home) {
            self.learn_name(&text[place.start..place.end], place.kind);
        }
    }

    /// The same of a value, which is a name itself where its key says so.
    pub fn learn_value(&mut self, key: &str, value: &str) {
        self.learn(value);
        match named_by(key, value) {
            Some(Kind::Host) => self.learn_host(value),
            Some(kind) => self.learn_name(value, kind),
            None => {}
        }
    }

    /// Adds the words of a text to those that are no names.
    pub fn add_words(&mut self, text: &str) {
        self.vocabulary.add(text);
    }

    /// A host goes by its name in full, and without its domain.
    fn learn_host(&mut self, name: &str) {
        self.learn_name(name, Kind::Host);
        if let Some((short, _)) = name.split_once('.') {
            self.learn_name(short, Kind::Host);
        }
        for domain in places::domains_of(name) {
            self.learn_name(domain, Kind::Domain);
        }
    }

    /// Notes a name that is worth replacing wherever it stands. What reads as an address is replaced as one.
    fn learn_name(&mut self, name: &str, kind: Kind) {
        let is_word = name.chars().all(|c| in_word(c) || c == '.');
        if !is_word || !identifies(name) || matches!(tokens(name)[..], [Token::Address(..)]) {
            return;
        }
        let known = self.names.len();
        let name = lower(name);
        match self.names.get_mut(&*name) {
            Some(known) => *known = kind.max(*known),
            None if known < MOST => _ = self.names.insert(name.into_owned(), kind),
            None => {}
        }
    }

    /// What a name is known to be of. Words are told from names here, as more of them may be known than when the name was learned.
    fn kind(&self, name: &str) -> Option<Kind> {
        self.names.get(&*lower(name)).copied().filter(|_| !self.vocabulary.holds(name))
    }

    fn is_domain(&self, name: &str) -> bool {
        self.names.get(&*lower(name)) == Some(&Kind::Domain)
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
        let redacted = self.redact_parts(text, Addresses::Alone, pseudonyms);
        // Beside letters, an address may read as a part of another one once it is replaced: then all of the word goes, or of the text.
        if redacted == text || pseudonyms.undo(&redacted) == text {
            return redacted;
        }
        let redacted = self.redact_parts(text, Addresses::WithTheirWords, pseudonyms);
        if pseudonyms.undo(&redacted) == text { redacted } else { self.name(Kind::Host, text, pseudonyms) }
    }

    fn redact_parts(&self, text: &str, addresses: Addresses, pseudonyms: &mut Pseudonyms) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut done = 0;
        for Span { start, end, kind } in self.spans(text) {
            // An address may end in a colon, and its pseudonym in a digit, with which the name behind it would be one word.
            let piece = &text[done..start];
            let apart = tokens(piece).last().map_or(0, |last| match last {
                Token::Address(part, _) if part.ends_with(':') => part.len(),
                _ => 0,
            });
            self.redact_addresses(&piece[..piece.len() - apart], addresses, &mut redacted, pseudonyms);
            redacted.push_str(&piece[piece.len() - apart..]);
            redacted.push_str(&self.name(kind, &text[start..end], pseudonyms));
            done = end;
        }
        self.redact_addresses(&text[done..], addresses, &mut redacted, pseudonyms);
        redacted
    }

    /// A value with pseudonyms: all of it is one where its key says that it is a name.
    pub fn redact_value(&self, key: &str, value: &str, pseudonyms: &mut Pseudonyms) -> String {
        match named_by(key, value).filter(|_| !self.vocabulary.holds(value)) {
            Some(kind) => self.name(self.kind(value).unwrap_or(kind), value, pseudonyms),
            None => self.redact(value, pseudonyms),
        }
    }

    /// Whether the value of a key may be a name as a whole.
    pub fn names_by_key(&self, key: &str) -> bool {
        places::kind_of_key(key).is_some()
    }

    /// The pseudonym of a host's own name, which is the name of a directory too.
    pub fn host(&self, name: &str, pseudonyms: &mut Pseudonyms) -> String {
        self.name(Kind::Host, name, pseudonyms)
    }

    /// The names in a text, in order and apart.
    fn spans(&self, text: &str) -> Vec<Span> {
        let mut fixed: Vec<Span> = Vec::new();
        // What looks like a pseudonym would be taken for one when the text is undone.
        fixed.extend(names::pseudonyms(text).map(|(start, end)| Span { start, end, kind: Kind::User }));
        for place in places::shown(text, &|name| self.is_domain(name)) {
            let (start, end) = (place.start, place.end);
            let name = &text[start..end];
            let word = place.trust == Trust::Said && self.vocabulary.holds(name);
            let apart = fixed.iter().all(|other| end <= other.start || other.end <= start);
            if is_personal(name) && !word && apart {
                self.place(name, start, self.kind(name).unwrap_or(place.kind), &mut fixed);
            }
        }
        fixed.sort_by_key(|span| span.start);
        if self.names.is_empty() {
            return fixed;
        }
        let mut all = Vec::with_capacity(fixed.len());
        let mut done = 0;
        for span in fixed {
            self.known(text, done, span.start, &mut all);
            done = span.end;
            all.push(span);
        }
        self.known(text, done, text.len(), &mut all);
        all
    }

    /// A host with its domain is two names, as another host has the same domain.
    fn place(&self, name: &str, start: usize, kind: Kind, spans: &mut Vec<Span>) {
        let end = start + name.len();
        let domain = name.find('.').filter(|_| kind == Kind::Host && self.kind(name).is_none());
        match domain {
            Some(dot) if name[dot + 1..].contains('.') => {
                spans.push(Span { start, end: start + dot, kind });
                spans.push(Span { start: start + dot + 1, end, kind: Kind::Domain });
            }
            Some(_) => spans.push(Span { start, end, kind: Kind::Domain }),
            None => spans.push(Span { start, end, kind }),
        }
    }

    /// The known names in a part of a text.
    fn known(&self, text: &str, from: usize, to: usize, spans: &mut Vec<Span>) {
        let mut at = from;
        let of_word = |c: char| in_word(c) || c == '.';
        while let Some(start) = text[at..to].find(of_word).map(|start| at + start) {
            let end = text[start..to].find(|c| !of_word(c)).map_or(to, |end| start + end);
            self.known_in_word(&text[start..end], start, spans);
            at = end;
        }
    }

    /// The longest names first, so that `web-1.corp` is one name where both it and `web-1` are known.
    fn known_in_word(&self, word: &str, offset: usize, spans: &mut Vec<Span>) {
        if !word.contains(names::SEPARATORS) {
            spans.extend(self.kind(word).map(|kind| Span { start: offset, end: offset + word.len(), kind }));
            return;
        }
        let parts = names::parts(word);
        let mut first = 0;
        while let Some(&(start, _)) = parts.get(first) {
            let ends = parts[first..parts.len().min(first + PARTS)].iter().enumerate().rev();
            let known = ends
                .map(|(more, &(_, end))| (more, end))
                .find_map(|(more, end)| Some((more, end, self.kind(&word[start..end])?)));
            let Some((more, end, kind)) = known else {
                first += 1;
                continue;
            };
            let before = spans.last().map_or(0, |span| span.end.saturating_sub(offset));
            if let (Kind::Domain, Some(label)) = (kind, label(word, before, start)) {
                spans.push(Span { start: offset + label.0, end: offset + label.1, kind: Kind::Host });
            }
            spans.push(Span { start: offset + start, end: offset + end, kind });
            first += more + 1;
        }
    }

    /// The pseudonym of a name.
    fn name(&self, kind: Kind, name: &str, pseudonyms: &mut Pseudonyms) -> String {
        let pseudonym = |key: &Digest| Some(names::pseudonym(key, kind, name)).filter(|text| text != name);
        self.free(name, pseudonym, pseudonyms).unwrap_or_else(|| name.to_owned())
    }

    fn redact_addresses(&self, piece: &str, how: Addresses, redacted: &mut String, pseudonyms: &mut Pseudonyms) {
        if how == Addresses::WithTheirWords {
            for word in words(piece) {
                if tokens(word).iter().any(|token| matches!(token, Token::Address(..))) {
                    redacted.push_str(&self.name(Kind::Host, word, pseudonyms));
                } else {
                    redacted.push_str(word);
                }
            }
            return;
        }
        for token in tokens(piece) {
            match token {
                Token::Other(part) => redacted.push_str(part),
                Token::Address(part, address) => {
                    let pseudonym = |key: &Digest| class::pseudonym(key, address);
                    match self.free(part, pseudonym, pseudonyms) {
                        Some(pseudonym) => redacted.push_str(&pseudonym),
                        None => redacted.push_str(part),
                    }
                }
            }
        }
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

/// What is replaced where an address stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Addresses {
    /// The address.
    Alone,
    /// The word that it is a part of, by a name.
    WithTheirWords,
}

/// What a value is a name of, by its key. Numbers and addresses are none.
fn named_by(key: &str, value: &str) -> Option<Kind> {
    let one =
        places::is_one_name(value) && is_personal(value) && tokens(value).iter().all(|t| matches!(t, Token::Other(_)));
    places::kind_of_key(key).filter(|_| one)
}

/// The host's own part in front of a domain: `bastion7` of `bastion7.corp.example`.
fn label(word: &str, from: usize, domain: usize) -> Option<(usize, usize)> {
    let label = word.get(from..domain)?.strip_suffix('.')?;
    let start = from + label.len() - label.trim_start_matches(['.', '-', '_']).len();
    let end = from + label.len();
    let host = &word[start..end];
    (!host.is_empty() && is_personal(host) && tokens(host).iter().all(|t| matches!(t, Token::Other(_))))
        .then_some((start, end))
}
