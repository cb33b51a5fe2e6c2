//! What a scanner attaches to a finding: few strings by key. A report may hold hundreds of thousands of findings, each with a handful of
//! keys, and a tree for each would take several times the memory of a sorted list.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Strings by key, in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metadata {
    entries: Vec<(String, String)>,
}

/// The entries of a [`Metadata`].
pub type Entries<'m> =
    std::iter::Map<std::slice::Iter<'m, (String, String)>, fn(&(String, String)) -> (&String, &String)>;

/// The same, with values that can be changed.
pub type EntriesMut<'m> =
    std::iter::Map<std::slice::IterMut<'m, (String, String)>, fn(&mut (String, String)) -> (&String, &mut String)>;

impl Metadata {
    /// No entry.
    pub fn new() -> Metadata {
        Metadata::default()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&String> {
        self.place(key).ok().map(|place| &self.entries[place].1)
    }

    /// Whether there is a value of a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// Sets the value of a key, and gives the one before.
    pub fn insert(&mut self, key: String, value: String) -> Option<String> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.entries[place].1, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes the value of a key out.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.place(key).ok().map(|place| self.entries.remove(place).1)
    }

    /// Keys and values.
    pub fn iter(&self) -> Entries<'_> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Keys, and values that can be changed.
    pub fn iter_mut(&mut self) -> EntriesMut<'_> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &String> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives back the room that growing left over. A copy, since the allocator keeps a block of which half is used.
    pub(crate) fn shrink_to_fit(&mut self) {
        if self.entries.capacity() > self.entries.len() {
            let mut exact = Vec::with_capacity(self.entries.len());
            exact.append(&mut self.entries);
            self.entries = exact;
        }
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        // Keys mostly come in order.
        match self.entries.last() {
            Some((last, _)) if last.as_str() < key => Err(self.entries.len()),
            _ => self.entries.binary_search_by(|(known, _)| known.as_str().cmp(key)),
        }
    }
}

impl<'m> IntoIterator for &'m Metadata {
    type Item = (&'m String, &'m String);
    type IntoIter = Entries<'m>;

    fn into_iter(self) -> Entries<'m> {
        self.iter()
    }
}

impl<'m> IntoIterator for &'m mut Metadata {
    type Item = (&'m String, &'m mut String);
    type IntoIter = EntriesMut<'m>;

    fn into_iter(self) -> EntriesMut<'m> {
        self.iter_mut()
    }
}

impl IntoIterator for Metadata {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl Extend<(String, String)> for Metadata {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl FromIterator<(String, String)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(entries: I) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.extend(entries);
        metadata
    }
}

impl<const N: usize> From<[(String, String); N]> for Metadata {
    fn from(entries: [(String, String); N]) -> Metadata {
        entries.into_iter().collect()
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
        struct MetadataVisitor;
        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut metadata = Metadata::new();
                while let Some((key, value)) = map.next_entry()? {
                    metadata.insert(key, value);
                }
                metadata.shrink_to_fit();
                Ok(metadata)
            }
        }
        deserializer.deserialize_map(MetadataVisitor)
    }
}

impl JsonSchema for Metadata {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        <BTreeMap<String, String>>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <BTreeMap<String, String>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_tree_holds(entries in proptest::collection::vec(("[a-d]{0,2}", "[a-c]?"), 0..12), gone in "[a-d]{0,2}") {
            let mut metadata: Metadata = entries.iter().cloned().collect();
            let mut tree: BTreeMap<String, String> = entries.into_iter().collect();
            prop_assert_eq!(metadata.remove(&gone), tree.remove(&gone));
            prop_assert!(metadata.iter().eq(tree.iter()) && metadata.len() == tree.len());
            prop_assert!(["a", "b", "ab"].iter().all(|key| metadata.get(key) == tree.get(*key)));
            let text = serde_json::to_string(&metadata).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&tree).unwrap());
            prop_assert_eq!(serde_json::from_str::<Metadata>(&text).unwrap(), metadata);
        }
    }
}
