//! A finding in the forms in which scanners and agents write it.
//!
//! The scanner writes its score as a string and no `risk_score`; older reports put numbers into the metadata. All of that is
//! read; only the valid form is written.

use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::finding::Finding;
use crate::metadata::Metadata;
use crate::severity::Severity;

/// A finding as read, with what distinguishes its form from the valid one.
pub(crate) struct RawFinding {
    pub finding: Finding,
    pub score_was_text: bool,
    pub risk_was_absent: bool,
    /// Metadata values that were no strings.
    pub rewritten_values: u64,
    /// Keys that the valid form has no place for.
    pub unknown_keys: Vec<String>,
}

/// A score as a number, or as a number in a string.
struct Score {
    value: u8,
    was_text: bool,
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Score, D::Error> {
        deserializer.deserialize_any(ScoreVisitor)
    }
}

struct ScoreVisitor;

impl Visitor<'_> for ScoreVisitor {
    type Value = Score;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a score of 0 to 100, as an integer or a string")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Score, E> {
        match u8::try_from(value) {
            Ok(value) if value <= 100 => Ok(Score { value, was_text: false }),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }

    /// Tools that know only one kind of number write `30.0`.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Score, E> {
        match value {
            0.0..=100.0 if value.fract() == 0.0 => Ok(Score { value: value as u8, was_text: false }),
            _ => Err(E::invalid_value(de::Unexpected::Float(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Score, E> {
        let digits = text.strip_suffix(".0").unwrap_or(text);
        match digits.parse::<u8>() {
            Ok(value) if value <= 100 => Ok(Score { value, was_text: true }),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

/// Metadata with every value turned into a string, and how many were none.
#[derive(Default)]
struct Values {
    metadata: Metadata,
    rewritten: u64,
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let mut values = Values::default();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            let text = match value {
                Value::String(text) => text,
                other => {
                    values.rewritten += 1;
                    other.to_string()
                }
            };
            if values.metadata.contains_key(&key) {
                return Err(de::Error::custom(format_args!("metadata key `{key}` appears twice")));
            }
            values.metadata.insert(key, text);
        }
        values.metadata.shrink_to_fit();
        Ok(values)
    }
}

impl<'de> Deserialize<'de> for RawFinding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawFinding, D::Error> {
        deserializer.deserialize_map(FindingVisitor)
    }
}

/// The fields of a finding.
const KEYS: [&str; 7] = ["id", "title", "severity", "description", "metadata", "base_severity_score", "risk_score"];

/// A key of a finding: its place among [`KEYS`], or its text where it has none.
struct Key {
    known: Option<usize>,
    unknown: String,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
        let known = KEYS.into_iter().position(|known| known == text);
        let unknown = if known.is_some() { String::new() } else { text.to_owned() };
        Ok(Key { known, unknown })
    }
}

/// Written out by hand because a derived reader either refuses unknown keys or forgets them.
struct FindingVisitor;

impl<'de> Visitor<'de> for FindingVisitor {
    type Value = RawFinding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finding")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFinding, A::Error> {
        let (mut id, mut title, mut severity) = (None, None, None);
        let (mut description, mut base, mut risk) = (None, None::<Score>, None::<Score>);
        let mut values = None::<Values>;
        let mut unknown_keys = Vec::new();
        let mut seen = [false; KEYS.len()];
        while let Some(Key { known, unknown }) = map.next_key()? {
            // The last of two would win and the other be lost without a word.
            if let Some(place) = known
                && std::mem::replace(&mut seen[place], true)
            {
                return Err(de::Error::duplicate_field(KEYS[place]));
            }
            match known.map_or("", |place| KEYS[place]) {
                "id" => id = Some(map.next_value::<String>()?),
                "title" => title = Some(map.next_value::<String>()?),
                "severity" => severity = Some(map.next_value::<Severity>()?),
                "description" => description = Some(map.next_value::<String>()?),
                "metadata" => values = Some(map.next_value()?),
                "base_severity_score" => base = Some(map.next_value()?),
                "risk_score" => risk = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    unknown_keys.push(unknown);
                }
            }
        }
        let severity = severity.ok_or_else(|| de::Error::missing_field("severity"))?;
        let values = values.ok_or_else(|| de::Error::missing_field("metadata"))?;
        let score_was_text = base.as_ref().is_some_and(|s| s.was_text) || risk.as_ref().is_some_and(|s| s.was_text);
        // The agent's own reports carry only `risk_score`; the scanner's only the base score.
        let base_severity_score = base.as_ref().map_or(severity.score(), |score| score.value);
        Ok(RawFinding {
            score_was_text,
            risk_was_absent: risk.is_none(),
            rewritten_values: values.rewritten,
            unknown_keys,
            finding: Finding {
                id: id.ok_or_else(|| de::Error::missing_field("id"))?,
                title: title.ok_or_else(|| de::Error::missing_field("title"))?,
                severity,
                description: description.unwrap_or_default(),
                metadata: values.metadata,
                base_severity_score,
                risk_score: risk.map_or(base_severity_score, |score| score.value),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Finding, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn scores_read_as_string_or_integer_and_write_as_integer() {
        let text = r#"{"id":"a","title":"t","severity":"low","metadata":{},"base_severity_score":"30"}"#;
        let finding = read(text).unwrap();
        assert_eq!((finding.base_severity_score, finding.risk_score), (30, 30));
        let written = serde_json::to_value(&finding).unwrap();
        assert_eq!((&written["base_severity_score"], &written["risk_score"]), (&30.into(), &30.into()));
        assert_eq!(read(&text.replace("\"30\"", "30")).unwrap(), finding);
        assert_eq!(read(&text.replace("\"30\"", "0")).unwrap().risk_score, 0);
        assert_eq!(read(&text.replace("\"30\"", "30.0")).unwrap(), finding);
        assert_eq!(read(&text.replace("\"30\"", "\"30.0\"")).unwrap(), finding);
    }

    #[test]
    fn only_risk_is_kept_and_the_base_follows_from_the_severity() {
        let text =
            r#"{"id":"n1","title":"t","severity":"info","risk_score":17,"metadata":{"state":"LISTEN","port":22}}"#;
        let finding = read(text).unwrap();
        assert_eq!((finding.base_severity_score, finding.risk_score), (10, 17));
        assert_eq!(finding.get("port"), Some("22"));
    }

    #[test]
    fn impossible_scores_and_severities_are_refused() {
        let with = |s: &str| format!(r#"{{"id":"a","title":"t","severity":"low","metadata":{{}},"risk_score":{s}}}"#);
        for bad in ["101", "-1", "1.5", "100.5", "-1.0", "1e9", "\"high\"", "null", "\"256\""] {
            assert!(read(&with(bad)).is_err(), "{bad}");
        }
        assert!(read(r#"{"id":"a","title":"t","severity":"grave","metadata":{}}"#).is_err());
    }
}
