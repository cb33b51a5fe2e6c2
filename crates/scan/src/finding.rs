//! One finding. In which forms it is read, `raw_finding` says.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::metadata::Metadata;
use crate::raw_finding::RawFinding;
use crate::severity::Severity;

/// One finding of one scanner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Identifies it within its scanner: a path, a pid, `tcp:22:1337`.
    pub id: String,
    /// One line.
    pub title: String,
    /// As the scanner's rules have it.
    pub severity: Severity,
    /// One sentence.
    pub description: String,
    /// Keys by scanner.
    pub metadata: Metadata,
    /// 0..=100: the severity's score, or 0 for an operational finding.
    pub base_severity_score: u8,
    /// 0..=100: the base score until something computes a better one.
    pub risk_score: u8,
}

impl Finding {
    /// A finding with the score of its severity and no metadata.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        severity: Severity,
        description: impl Into<String>,
    ) -> Finding {
        Finding {
            id: id.into(),
            title: title.into(),
            severity,
            description: description.into(),
            metadata: Metadata::new(),
            base_severity_score: severity.score(),
            risk_score: severity.score(),
        }
    }

    /// Adds a metadata entry.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Finding {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// A metadata value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// A metadata value that reads as an unsigned number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// Whether a metadata value is `"true"`.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Finding, D::Error> {
        RawFinding::deserialize(deserializer).map(|raw| raw.finding)
    }
}
