//! One kind of finding, and how a finding of that kind departs from it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Finding;
use crate::profile::format::Format;
use crate::profile::pattern::Pattern;
use crate::severity::Severity;

/// A way in which a finding is not as the scanner writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The difference.
    pub aspect: Aspect,
    /// How, in words.
    pub text: String,
}

/// The difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// There is no such scanner.
    Scanner,
    /// No kind of finding has this id and title.
    Kind,
    /// The description.
    Description,
    /// A severity that the kind never has.
    Severity,
    /// The base score.
    Score,
    /// A metadata key that the kind never has.
    UnknownKey,
    /// A metadata key that the kind always has.
    MissingKey,
    /// The format of a metadata value, or one that is none of those there are.
    Value,
}

impl Departure {
    pub(crate) fn new(aspect: Aspect, text: String) -> Departure {
        Departure { aspect, text }
    }
}

/// As written in the profile.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindText {
    id: String,
    title: String,
    description: String,
    severities: Vec<Severity>,
    keys: BTreeMap<String, Key>,
}

/// The form of a metadata key's values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    format: Option<Format>,
    #[serde(default)]
    one_of: Vec<String>,
    #[serde(default)]
    optional: bool,
}

/// A kind of finding.
#[derive(Debug)]
pub(super) struct Kind {
    id: Pattern,
    title: Pattern,
    description: Pattern,
    severities: Vec<Severity>,
    keys: BTreeMap<String, Key>,
}

impl KindText {
    pub(super) fn compile(self, words: &BTreeMap<String, Vec<String>>) -> Result<Kind, String> {
        if let Some((name, _)) = self.keys.iter().find(|(_, key)| key.format.is_some() != key.one_of.is_empty()) {
            return Err(format!("{:?}: key {name} needs either `format` or `one_of`", self.title));
        }
        Ok(Kind {
            id: Pattern::compile(&self.id, words)?,
            title: Pattern::compile(&self.title, words)?,
            description: Pattern::compile(&self.description, words)?,
            severities: self.severities,
            keys: self.keys,
        })
    }
}

impl Kind {
    /// Whether id and title are of this kind.
    pub(super) fn names(&self, finding: &Finding) -> bool {
        self.id.matches(&finding.id, finding) && self.title.matches(&finding.title, finding)
    }

    /// How a finding of this kind departs from it.
    pub(super) fn departures(&self, finding: &Finding) -> Vec<Departure> {
        let mut departures = Vec::new();
        let mut tell = |aspect, text| departures.push(Departure::new(aspect, text));
        if !self.description.matches(&finding.description, finding) {
            tell(Aspect::Description, format!("the description is {:?}", finding.description));
        }
        if !self.severities.contains(&finding.severity) {
            tell(Aspect::Severity, format!("the severity is {}", finding.severity));
        }
        for (name, value) in &finding.metadata {
            match self.keys.get(name) {
                None => tell(Aspect::UnknownKey, format!("the metadata key {name} is none of the scanner's")),
                Some(key) if !key.accepts(value) => {
                    tell(Aspect::Value, format!("the metadata value {name} is {value:?}, not {}", key.expected()));
                }
                Some(_) => {}
            }
        }
        for (name, _) in self.keys.iter().filter(|(_, key)| !key.optional) {
            if !finding.metadata.contains_key(name) {
                tell(Aspect::MissingKey, format!("the metadata key {name} is missing"));
            }
        }
        departures
    }
}

impl Key {
    fn accepts(&self, value: &str) -> bool {
        match self.format {
            Some(format) => format.accepts(value),
            None => self.one_of.iter().any(|word| word == value),
        }
    }

    fn expected(&self) -> String {
        match self.format {
            Some(format) => format!("of the format {}", format!("{format:?}").to_lowercase()),
            None => format!("one of {:?}", self.one_of),
        }
    }
}
