//! Changes that reading made to a report to bring it into the valid form, for logs and metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

use crate::read::cut;

/// How many of the keys that were left out are named in a line of the log.
const NAMED_KEYS: usize = 20;
/// How many of the places whose text was mended are named.
pub(crate) const NAMED_PLACES: usize = 3;

/// The changes that brought a report into the valid form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Findings whose score was a string.
    pub scores_from_text: u64,
    /// Findings that had no `risk_score`.
    pub risk_filled: u64,
    /// Metadata values that were no strings.
    pub values_rewritten: u64,
    /// Reports whose `compliance_summary` went into `summary_extension`.
    pub compliance_moved: u64,
    /// Entries of `partial_warnings` that joined `collection_warnings`.
    pub warnings_joined: u64,
    /// Counts that were wrong or missing.
    pub counts_corrected: u64,
    /// Keys that the valid form has no place for, and how often they were left out.
    pub keys_left_out: BTreeMap<String, u64>,
    /// Reports with a byte order mark or in UTF-16.
    pub reencoded: u64,
    /// Reports that named no host and were given a name.
    pub hosts_named: u64,
    /// Strings with bytes or surrogates that are no text, written as U+FFFD and their digits.
    pub texts_mended: u64,
    /// JSON pointers of the first of them.
    pub mended_at: Vec<String>,
}

impl AddAssign for Changes {
    fn add_assign(&mut self, other: Changes) {
        self.scores_from_text += other.scores_from_text;
        self.risk_filled += other.risk_filled;
        self.values_rewritten += other.values_rewritten;
        self.compliance_moved += other.compliance_moved;
        self.warnings_joined += other.warnings_joined;
        self.counts_corrected += other.counts_corrected;
        self.reencoded += other.reencoded;
        self.hosts_named += other.hosts_named;
        self.texts_mended += other.texts_mended;
        for (key, n) in other.keys_left_out {
            *self.keys_left_out.entry(key).or_default() += n;
        }
    }
}

impl Changes {
    /// Counts keys that were left out.
    pub(crate) fn leave_out(&mut self, keys: Vec<String>) {
        for key in keys {
            *self.keys_left_out.entry(key).or_default() += 1;
        }
    }

    /// Every kind of change with its count, also where it is 0: names of metrics stay the same from run to run.
    pub fn counts(&self) -> [(&'static str, u64); 10] {
        [
            ("scores_from_text", self.scores_from_text),
            ("risk_filled", self.risk_filled),
            ("values_rewritten", self.values_rewritten),
            ("compliance_moved", self.compliance_moved),
            ("warnings_joined", self.warnings_joined),
            ("counts_corrected", self.counts_corrected),
            ("keys_left_out", self.keys_left_out.values().sum()),
            ("reencoded", self.reencoded),
            ("hosts_named", self.hosts_named),
            ("texts_mended", self.texts_mended),
        ]
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let counted = [
            (self.scores_from_text, "scores read from strings"),
            (self.risk_filled, "risk scores filled in"),
            (self.values_rewritten, "metadata values made strings"),
            (self.compliance_moved, "compliance_summary moved into summary_extension"),
            (self.warnings_joined, "partial warnings joined to collection_warnings"),
            (self.counts_corrected, "counts corrected"),
            (self.reencoded, "texts freed of a byte order mark or read from UTF-16"),
            (self.hosts_named, "hosts named"),
            (self.texts_mended, "strings with bytes that are no text mended"),
        ];
        parts.extend(counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        let keys = self.keys_left_out.iter().take(NAMED_KEYS);
        parts.extend(keys.map(|(key, n)| format!("key `{}` left out {n} times", cut(key.clone()))));
        if self.keys_left_out.len() > NAMED_KEYS {
            parts.push(format!("{} more keys left out", self.keys_left_out.len() - NAMED_KEYS));
        }
        f.write_str(if parts.is_empty() { "nothing changed" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}
