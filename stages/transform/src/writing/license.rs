//! Under which license the examples are, as the Hugging Face Hub names it. The stage cannot know: it depends on whose reports they are.

use std::fmt;

use contract::StageError;
use serde::{Serialize, Serializer};

/// The text in the data card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum License {
    /// Nobody said.
    #[default]
    Unknown,
    /// The Hub's name of it.
    Named(String),
}

/// The name of none.
pub const UNKNOWN: &str = "unknown";

impl License {
    /// The license that a param names.
    pub fn of_param(text: &str) -> Result<License, StageError> {
        License::parse(text).ok_or_else(|| {
            StageError::invalid_input(format!(
                "param `license`: `{text}` is no license as the Hugging Face Hub names it"
            ))
            .help("such names are of lower case, as apache-2.0, mit or cc-by-4.0; leave it out where nobody has said")
        })
    }

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
