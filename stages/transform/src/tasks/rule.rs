//! Rules over findings in the form that the agent's correlator reads and its `refine_rules` takes back.

use findings::EnrichedFinding;
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
    /// How sure it is that a match belongs to the pattern: (joined + 1) / (matches + 2) over the examples.
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

    /// As the agent's correlator decides it.
    pub fn holds(&self, finding: &EnrichedFinding) -> bool {
        let value = match self.field.as_deref() {
            Some("title") => &finding.title,
            Some("id") => &finding.id,
            Some(_) => return false,
            None => &finding.description,
        };
        let contains =
            |text: &str, part: &Option<String>| part.as_ref().is_none_or(|part| text.contains(part.as_str()));
        let metadata = |key: &String| finding.metadata.get(key).map_or("", String::as_str);
        contains(value, &self.contains)
            && self.metadata_key.as_ref().is_none_or(|key| contains(metadata(key), &self.metadata_contains))
    }
}
