//! Names what a file is that is no report of the scanner: "this is SARIF" helps more than the first key that does not fit.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Files by their first bytes: compressed ones, and text in an encoding that no scanner writes.
const ENCODED: [(&[u8], &str); 9] = [
    (b"\xff\xfe\0\0", UTF_32),
    (b"\0\0\xfe\xff", UTF_32),
    (b"{\0\0\0", UTF_32),
    (b"\0\0\0{", UTF_32),
    (b"\x1f\x8b", "gzip: unpack it with `gunzip`"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "Zstandard: unpack it with `unzstd`"),
    (b"\xfd7zXZ", "xz: unpack it with `unxz`"),
    (b"BZh", "bzip2: unpack it with `bunzip2`"),
];

const UTF_32: &str = "UTF-32: write it as UTF-8, with `iconv -f UTF-32 -t UTF-8`";
const NDJSON: &str = "NDJSON (one object a line), not the scanner's JSON: scan without the option that asks for it";

/// Forms by keys that stand in their root, all of them.
const FORMS: [(&[&str], &str); 5] = [
    (&["runs", "version"], "SARIF, not the scanner's JSON: scan without the option that asks for SARIF"),
    (&["enriched_findings"], "the agent's output or a document of `transform`: give the report that it was made from"),
    (&["EXECUTIVE_SUMMARY"], "an answer of the agent's model: give the report that it is about"),
    (&["reductions", "summaries"], "the agent's output: give the report that it was made from"),
    (&["generated_ts", "host_count"], "the agent's report of a fleet: give the reports of its hosts"),
];

/// How it is encoded, by the first bytes.
pub(crate) fn encoded(bytes: &[u8]) -> Option<&'static str> {
    ENCODED.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

/// What a text is that could not be read as a report, as far as its form tells.
pub(crate) fn form(text: &str) -> Option<&'static str> {
    let start = text.trim_start();
    if start.is_empty() {
        return Some("empty: the scan wrote nothing");
    }
    if start.starts_with('<') {
        let head: String = start.chars().take(100).collect::<String>().to_lowercase();
        let page = head.contains("html");
        return Some(if page { "an HTML page, not the scanner's JSON" } else { "XML, not the scanner's JSON" });
    }
    let mut values = serde_json::Deserializer::from_str(start).into_iter::<RootKeys>();
    let RootKeys(keys) = values.next()?.ok()?;
    let form = FORMS.iter().find(|(wanted, _)| wanted.iter().all(|key| keys.contains(*key)));
    let rest = start.get(values.byte_offset()..).unwrap_or_default();
    match form {
        Some((_, name)) => Some(name),
        None if rest.starts_with(['\n', '\r']) && rest.trim_start().starts_with('{') => Some(NDJSON),
        // One line of it.
        None if keys.contains("type") && !keys.contains("results") => Some(NDJSON),
        None => None,
    }
}

/// The keys of an object.
struct RootKeys(BTreeSet<String>);

impl<'de> Deserialize<'de> for RootKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RootKeys, D::Error> {
        deserializer.deserialize_map(KeysVisitor).map(RootKeys)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = BTreeSet<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, IgnoredAny)) = entries.next_entry::<String, IgnoredAny>()? {
            keys.insert(key);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_others_are_told_and_a_report_is_none_of_them() {
        let check = |text: &str, expected: Option<&str>| {
            let found = form(text);
            assert!(found.map_or(expected.is_none(), |found| expected.is_some_and(|e| found.starts_with(e))), "{text}");
        };
        check("{\"$schema\":\"x\",\"version\":\"2.1.0\",\"runs\":[]}", Some("SARIF"));
        check("{\"type\":\"meta\"}\n{\"type\":\"finding\"}\n", Some("NDJSON"));
        check("\n<!DOCTYPE html><html>", Some("an HTML page"));
        check("<testsuite/>", Some("XML"));
        check("{\"version\":\"ground_truth_v1\",\"enriched_findings\":[]}", Some("the agent's output"));
        check(" \n", Some("empty"));
        check("{\"meta\":{},\"results\":[]}", None);
        check("{\"meta\":{},\"results\":[]} x", None);
        check("{\"meta\":", None);
        check("[]", None);
        assert!(encoded(b"\x1f\x8b\x08\x00").is_some() && encoded(b"{}").is_none());
        check("{\"type\":\"meta\",\"hostname\":\"a\"}", Some("NDJSON"));
    }
}
