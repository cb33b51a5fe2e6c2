//! Settings key by key. What could not be read has its finding; nothing stops at the first.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::Key;

/// Something that is wrong with the settings of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key that it is about; `None`: all of them.
    pub key: Option<String>,
    /// One sentence without a full stop.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Reads the settings of one place.
pub(crate) struct Reader<'a> {
    settings: Option<&'a Map<String, Value>>,
    pub(crate) findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// Of a place with these keys; others are found at once.
    pub(crate) fn new(settings: &'a Value, place: &str, keys: &[Key]) -> Self {
        let mut reader = Self { settings: settings.as_object(), findings: Vec::new() };
        let Some(map) = reader.settings else {
            reader.add(None, format!("the settings of `{place}` are keys with values"), "write {key: value, ..}");
            return reader;
        };
        for key in map.keys().filter(|key| keys.iter().all(|(known, _)| known != key)) {
            let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
            reader.add(Some(key), format!("`{place}` has no key `{key}`"), format!("there is {}", names.join(", ")));
        }
        reader
    }

    /// Adds a finding.
    pub(crate) fn add(&mut self, key: Option<&str>, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding { key: key.map(Into::into), message: message.into(), help: help.into() });
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.settings?.get(key).filter(|value| !value.is_null())
    }

    /// Says that a key is missing. Settings that are none have their finding already.
    pub(crate) fn missing(&mut self, key: &str, help: &str) {
        if self.settings.is_some() && self.get(key).is_none() {
            self.add(None, format!("`{key}` is missing"), help);
        }
    }

    /// A value of a form; one of another form is found.
    fn value<T>(&mut self, key: &str, form: &str, example: &str, parse: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.add(Some(key), format!("`{key}` must be {form}, found {value}"), format!("write {example}"));
        }
        parsed
    }

    /// A text for which `fits` holds.
    pub(crate) fn text(&mut self, key: &str, form: &str, example: &str, fits: fn(&str) -> bool) -> Option<String> {
        self.value(key, form, example, |value| value.as_str().filter(|text| fits(text)).map(ToString::to_string))
    }

    /// A list of texts for each of which `fits` holds, none of them twice.
    pub(crate) fn texts(&mut self, key: &str, form: &str, example: &str, fits: fn(&str) -> bool) -> Vec<String> {
        let list = self.value(key, form, example, |value| {
            let texts: Option<Vec<String>> = value
                .as_array()?
                .iter()
                .map(|item| item.as_str().filter(|text| fits(text)).map(ToString::to_string))
                .collect();
            texts.filter(|texts| texts.iter().enumerate().all(|(n, text)| !texts[..n].contains(text)))
        });
        list.unwrap_or_default()
    }

    /// US dollars.
    pub(crate) fn dollars(&mut self, key: &str, example: &str) -> Option<f64> {
        self.value(key, "an amount in US dollars, more than 0.001", example, |value| {
            value.as_f64().filter(|amount| *amount > 0.001 && *amount < 1e6)
        })
    }

    /// A time within bounds.
    pub(crate) fn time(&mut self, key: &str, form: &str, example: &str, least: u64, most: u64) -> Option<Duration> {
        self.value(key, form, example, |value| {
            value.as_str().and_then(duration).filter(|time| (least..=most).contains(&time.as_secs()))
        })
    }

    /// A size in whole GiB within bounds.
    pub(crate) fn gibibytes(&mut self, key: &str, most: u32) -> Option<u32> {
        self.value(key, &format!("a size from 1GiB to {most}GiB"), "150GiB", |value| {
            let (number, scale) = match value.as_str()? {
                text if text.ends_with("GiB") => (text.strip_suffix("GiB")?, 1),
                text => (text.strip_suffix("TiB")?, 1024),
            };
            let size: u32 = number.trim_end().parse().ok()?;
            size.checked_mul(scale).filter(|size| (1..=most).contains(size))
        })
    }

    /// A whole number within bounds.
    pub(crate) fn count(&mut self, key: &str, least: u32, most: u32) -> Option<u32> {
        self.value(key, &format!("a whole number from {least} to {most}"), &least.to_string(), |value| {
            value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=most).contains(n))
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        self.value(key, "`true` or `false`", "true", Value::as_bool)
    }

    /// What was read, where nothing was found.
    pub(crate) fn done<T>(self, read: Option<T>) -> Result<T, Vec<Finding>> {
        match read {
            Some(read) if self.findings.is_empty() => Ok(read),
            _ => Err(self.findings),
        }
    }
}

/// A time such as `8h` or `1h30m`: units of days to seconds, each at most once, the largest first.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let scale = match rest.as_bytes()[digits] {
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        if scale >= last {
            return None;
        }
        (seconds, last, rest) = (seconds.checked_add(number.checked_mul(scale)?)?, scale, &rest[digits + 1..]);
    }
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_the_largest_first() {
        for (text, seconds) in [("8h", 28_800), ("1h30m", 5400), ("90s", 90), ("1d2h", 93_600)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "8",
            "h",
            "0s",
            "30m1h",
            "1h1h",
            "8H",
            "-1s",
            "1.5h",
            "99999999999999999999d",
            "999999999999999999d",
            "8ü",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
