//! The results of a scanner as they are read: keys without a place in the valid form are left out and told.

use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::raw_finding::RawFinding;

pub(crate) struct RawResult {
    pub scanner: String,
    pub finding_count: Option<usize>,
    pub findings: Vec<RawFinding>,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub elapsed_ms: Option<u64>,
    /// Keys that the valid form has no place for.
    pub unknown_keys: Vec<String>,
}

impl<'de> Deserialize<'de> for RawResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawResult, D::Error> {
        deserializer.deserialize_map(ResultVisitor)
    }
}

struct ResultVisitor;

/// Reads a field once: the last of two would win and the other be lost without a word.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    place: &mut Option<T>,
    name: &'static str,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *place = Some(map.next_value()?);
    Ok(())
}

impl<'de> Visitor<'de> for ResultVisitor {
    type Value = RawResult;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawResult, A::Error> {
        let (mut scanner, mut findings) = (None, None);
        let (mut finding_count, mut start_time, mut end_time, mut elapsed_ms) = (None, None, None, None);
        let mut unknown_keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "scanner" => once(&mut map, &mut scanner, "scanner")?,
                "findings" => once(&mut map, &mut findings, "findings")?,
                "finding_count" => once(&mut map, &mut finding_count, "finding_count")?,
                "start_time" => once(&mut map, &mut start_time, "start_time")?,
                "end_time" => once(&mut map, &mut end_time, "end_time")?,
                "elapsed_ms" => once(&mut map, &mut elapsed_ms, "elapsed_ms")?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    unknown_keys.push(key);
                }
            }
        }
        Ok(RawResult {
            scanner: scanner.ok_or_else(|| de::Error::missing_field("scanner"))?,
            findings: findings.ok_or_else(|| de::Error::missing_field("findings"))?,
            finding_count: finding_count.flatten(),
            start_time: start_time.flatten(),
            end_time: end_time.flatten(),
            elapsed_ms: elapsed_ms.flatten(),
            unknown_keys,
        })
    }
}
