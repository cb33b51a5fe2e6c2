//! The walk: a serde visitor that compares each value with its node while the text is read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Mismatch;
use super::node::{Form, Node};
use super::path::Path;

/// How much of a value a message repeats.
const QUOTED: usize = 60;

/// One value on its way.
pub(super) struct Walk<'w> {
    pub(super) node: &'w Node,
    pub(super) path: Path<'w>,
    pub(super) found: &'w mut Vec<Mismatch>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.one_of.is_empty() {
            deserializer.deserialize_any(self)
        } else {
            // Each branch needs to see the whole value.
            self.branches(&Value::deserialize(deserializer)?);
            Ok(())
        }
    }
}

impl Walk<'_> {
    fn tell(&mut self, message: String) {
        self.found.push(Mismatch { pointer: self.path.pointer(), message });
    }

    fn form(&mut self, forms: &[Form], what: &dyn fmt::Display) {
        if let Some(wanted) = self.node.form.filter(|form| !forms.contains(form)) {
            self.tell(format!("{} is no {}", quoted(what), wanted.name()));
        }
    }

    /// `const` and `enum` of a value that is no string.
    fn no_word(&mut self, what: &dyn fmt::Display) {
        if self.node.words.is_some() {
            self.none_of_words(what);
        }
    }

    fn none_of_words(&mut self, what: &dyn fmt::Display) {
        let Some(words) = &self.node.words else { return };
        let null = if words.null { " or null" } else { "" };
        self.tell(format!("{} is not one of {:?}{null}", quoted(what), words.strings));
    }

    fn number(&mut self, value: f64, forms: &[Form]) {
        self.form(forms, &value);
        self.no_word(&value);
        if let Some(minimum) = self.node.minimum.filter(|minimum| value < *minimum) {
            self.tell(format!("{value} is less than {minimum}"));
        }
        if let Some(maximum) = self.node.maximum.filter(|maximum| value > *maximum) {
            self.tell(format!("{value} is more than {maximum}"));
        }
    }

    fn branches(mut self, value: &Value) {
        let fits = |branch: &&Node| {
            let mut found = Vec::new();
            let walk = Walk { node: branch, path: Path::ROOT, found: &mut found };
            walk.deserialize(value).is_ok() && found.is_empty()
        };
        let count = self.node.one_of.iter().filter(fits).count();
        if count != 1 {
            let message = format!("{} has {count} of {} forms, not one", quoted(value), self.node.one_of.len());
            self.tell(message);
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.form(&[], &"null");
        if self.node.words.as_ref().is_some_and(|words| !words.null) {
            self.none_of_words(&"null");
        }
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.form(&[Form::Boolean], &value);
        self.no_word(&value);
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.number(value as f64, &[Form::Integer, Form::Number]);
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.number(value as f64, &[Form::Integer, Form::Number]);
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        // 1.0 is an integer of JSON Schema.
        let whole: &[Form] = &[Form::Integer, Form::Number];
        self.number(value, if value.trunc() == value { whole } else { &[Form::Number] });
        Ok(())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        if self.node.form.is_some_and(|form| form != Form::String) {
            self.form(&[Form::String], &format_args!("{value:?}"));
        }
        if self.node.words.as_ref().is_some_and(|words| !words.strings.iter().any(|word| **word == *value)) {
            self.none_of_words(&format_args!("{value:?}"));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.form(&[Form::Array], &"an array");
        self.no_word(&"an array");
        let Some(items) = self.node.items.as_deref() else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let mut index = 0;
        loop {
            let walk = Walk { node: items, path: self.path.index(index), found: self.found };
            if seq.next_element_seed(walk)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.form(&[Form::Object], &"an object");
        self.no_word(&"an object");
        let mut seen = 0_u64;
        let mut hint = 0;
        let mut refused = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            if let Some(place) = self.node.required.iter().position(|name| **name == *key) {
                seen |= 1 << place;
            }
            match self.node.property(&key, &mut hint) {
                Some(node) => {
                    let walk = Walk { node, path: self.path.key(&key), found: self.found };
                    map.next_value_seed(walk)?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                    if self.node.closed {
                        refused.push(key.into_owned());
                    }
                }
            }
        }
        for (place, name) in self.node.required.iter().enumerate() {
            if seen & (1 << place) == 0 {
                self.tell(format!("the key `{name}` is missing"));
            }
        }
        if !refused.is_empty() {
            self.tell(format!("{}: no such key is allowed", quoted(&refused.join(", "))));
        }
        Ok(())
    }
}

/// A key, borrowed from the text where it holds no escape.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

fn quoted(value: &dyn fmt::Display) -> String {
    let text = value.to_string();
    if text.len() <= QUOTED {
        return text;
    }
    format!("{}...", &text[..text.floor_char_boundary(QUOTED)])
}
