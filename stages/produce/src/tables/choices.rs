//! A text, or several of which one is drawn; and names for such texts.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Written in YAML as a string or as a list of strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choices(pub Vec<String>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Choices, D::Error> {
        deserializer.deserialize_any(ChoicesVisitor)
    }
}

struct ChoicesVisitor;

impl<'de> Visitor<'de> for ChoicesVisitor {
    type Value = Choices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Choices, E> {
        Ok(Choices(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        if texts.is_empty() { Err(serde::de::Error::invalid_length(0, &self)) } else { Ok(Choices(texts)) }
    }
}

/// Names with their choices, in the order of the file: a later one may use an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bindings(pub Vec<(String, Choices)>);

impl<'de> Deserialize<'de> for Bindings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bindings, D::Error> {
        deserializer.deserialize_map(BindingsVisitor)
    }
}

struct BindingsVisitor;

impl<'de> Visitor<'de> for BindingsVisitor {
    type Value = Bindings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from names to strings or lists of strings")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<Bindings, M::Error> {
        let mut bindings = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            bindings.push(entry);
        }
        Ok(Bindings(bindings))
    }
}
