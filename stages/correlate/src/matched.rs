//! A match: the findings that one rule joins on one scan, and what a correlation names of it.

use contract::{Digest, clean};
use rules::rule::Rule;

/// Members that one correlation names; what lies beyond is only counted.
pub const MEMBER_LIMIT: usize = 24;
/// Bytes of the shared value that a rationale quotes.
const KEY_LIMIT: usize = 200;

/// One match of one rule: places among the scan's findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'r> {
    /// The rule's place in the set.
    pub rule: usize,
    /// The value that was shared; empty where the host itself is shared.
    pub key: String,
    /// Of the first set.
    pub left: Vec<usize>,
    /// Of the second set, without those of the first.
    pub right: Vec<usize>,
    /// Where hosts were compared: all that share the value.
    pub hosts: &'r [String],
}

impl<'r> Match<'r> {
    /// Without what is in both sets in the second.
    pub fn new(rule: usize, key: String, left: Vec<usize>, mut right: Vec<usize>) -> Match<'r> {
        right.retain(|index| left.binary_search(index).is_err());
        Match { rule, key, left, right, hosts: &[] }
    }

    /// All findings that it joins, first set before second.
    pub fn all(&self) -> impl Iterator<Item = usize> {
        self.left.iter().chain(&self.right).copied()
    }

    /// The findings that a correlation names: both sets stay visible when one is long.
    pub fn named(&self) -> impl Iterator<Item = usize> {
        let (left, right) = (self.left.len(), self.right.len());
        let from_left = left.min(MEMBER_LIMIT - right.min(MEMBER_LIMIT / 2));
        let from_right = right.min(MEMBER_LIMIT - from_left);
        self.left[..from_left].iter().chain(&self.right[..from_right]).copied()
    }

    /// The correlation's id: the same for the same rule and value on one scan, and on all hosts where hosts were compared.
    pub fn id(&self, rule: &Rule, host: &str, scan: u32) -> String {
        let place = if self.hosts.is_empty() { format!("{host}\0{scan}") } else { String::new() };
        let digest = Digest::of(format!("{}\0{place}\0{}", rule.id, self.key).as_bytes());
        format!("{}:{}", rule.id, digest.short())
    }

    /// The rule's rationale with its figures filled in.
    pub fn rationale(&self, rule: &Rule) -> String {
        rule.rationale
            .replace("{left}", &self.left.len().to_string())
            .replace("{right}", &self.right.len().to_string())
            .replace("{hosts}", &self.hosts.len().to_string())
            .replace("{key}", &clean::bounded(&self.key, KEY_LIMIT))
    }
}
