//! Rules over findings in the form that the agent's correlator reads and its `refine_rules` takes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule as the agent takes it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefinedRule {
    /// The suggestion's.
    pub id: String,
    /// What must hold of a finding.
    pub conditions: Vec<Condition>,
    /// Whether all conditions must hold or any.
    pub logic: Logic,
    /// Sorted.
    pub tags: Vec<String>,
    /// How sure it is that a match belongs to the pattern: more where the metadata say so too.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Why.
    pub rationale: String,
}

/// A condition as the agent's correlator reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// A field of the finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub field: Option<String>,
    /// What the field contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub contains: Option<String>,
    /// A metadata key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub metadata_key: Option<String>,
    /// What its value contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub metadata_contains: Option<String>,
}

/// How conditions are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Logic {
    /// Every one must hold.
    All,
    /// One is enough.
    Any,
}

impl Condition {
    /// That a field contains a text.
    pub(crate) fn field(field: &str, contains: String) -> Condition {
        let field = Some(field.to_owned());
        Condition { field, contains: Some(contains), metadata_key: None, metadata_contains: None }
    }

    /// That a metadata value contains a text.
    pub(crate) fn metadata(key: &str, value: &str) -> Condition {
        let (key, value) = (Some(key.to_owned()), Some(value.to_owned()));
        Condition { field: None, contains: None, metadata_key: key, metadata_contains: value }
    }

    /// For a rationale.
    pub(crate) fn in_words(&self) -> String {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        match (&self.field, &self.metadata_key) {
            (Some(field), _) => format!("{field} with \"{}\"", said(&self.contains)),
            (None, key) => format!("{} {}", said(key), said(&self.metadata_contains)),
        }
    }
}
