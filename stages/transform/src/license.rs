//! Under which license the examples are, as the Hugging Face Hub names it. The stage cannot know: it depends on whose reports they are.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// What stands in the data card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum License {
    /// Nobody said.
    #[default]
    Unknown,
    /// The Hub's name of it.
    Named(String),
}

const UNKNOWN: &str = "unknown";

impl License {
    fn parse(text: &str) -> Option<License> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let named = text.starts_with(letter) && text.chars().all(|c| letter(c) || c == '.' || c == '-');
        named.then(|| if text == UNKNOWN { License::Unknown } else { License::Named(text.to_owned()) })
    }
}

impl fmt::Display for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            License::Unknown => UNKNOWN,
            License::Named(name) => name,
        })
    }
}

impl Serialize for License {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for License {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<License, D::Error> {
        let text = String::deserialize(deserializer)?;
        License::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no license as the Hugging Face Hub names it, such as apache-2.0"))
        })
    }
}

impl JsonSchema for License {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "License".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_stand_in_the_front_matter_is_a_license() {
        assert_eq!(License::parse("apache-2.0"), Some(License::Named("apache-2.0".to_owned())));
        assert_eq!(License::parse("unknown"), Some(License::Unknown));
        for text in ["", "-", "MIT", "mit\nconfigs: []", "a b", "a: b"] {
            assert_eq!(License::parse(text), None, "{text}");
        }
    }
}
