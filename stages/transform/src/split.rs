//! Hosts to splits: whole hosts, never rows, so that nothing learned about a host helps on another split.

use std::collections::BTreeMap;

use contract::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Learned from.
    Train,
    /// Looked at while learning.
    Validation,
    /// Looked at once.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// The name in datasets.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// Shares of the hosts; the rest is for training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fractions {
    /// Share of the hosts for validation.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub validation: f64,
    /// Share of the hosts for the test.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Fractions {
        Fractions { validation: 0.1, test: 0.15 }
    }
}

/// Gives every host a split. A share above 0 gets at least one host as long as training keeps one.
pub fn assign(seed: u64, hosts: impl IntoIterator<Item = String>, fractions: Fractions) -> BTreeMap<String, Split> {
    let mut ranked: Vec<(u64, String)> = hosts.into_iter().map(|host| (rank(seed, &host), host)).collect();
    ranked.sort_unstable();
    let count = ranked.len();
    let share = |fraction: f64, left: usize| match fraction {
        f if f <= 0.0 => 0,
        f => ((count as f64 * f).round_ties_even() as usize).max(1).min(left),
    };
    let test = share(fractions.test, count.saturating_sub(1));
    let validation = share(fractions.validation, count.saturating_sub(1 + test));
    let split = |place: usize| match place {
        p if p < test => Split::Test,
        p if p < test + validation => Split::Validation,
        _ => Split::Train,
    };
    ranked.into_iter().enumerate().map(|(place, (_, host))| (host, split(place))).collect()
}

fn rank(seed: u64, host: &str) -> u64 {
    hash(&[b"split", &seed.to_le_bytes(), host.as_bytes()])
}

/// A number that any change of any part changes.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(*part);
    }
    let digest = Digest::of(&bytes);
    let (first, _) = digest.as_bytes().split_first_chunk::<8>().expect("a digest has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(hosts: usize, fractions: Fractions) -> [usize; 3] {
        let assigned = assign(7, (0..hosts).map(|n| format!("h{n}")), fractions);
        Split::ALL.map(|split| assigned.values().filter(|s| **s == split).count())
    }

    #[test]
    fn shares_are_met_and_training_is_never_empty() {
        assert_eq!(counts(100, Fractions::default()), [75, 10, 15]);
        assert_eq!(counts(4, Fractions::default()), [2, 1, 1]);
        assert_eq!(counts(2, Fractions::default()), [1, 0, 1]);
        assert_eq!(counts(1, Fractions::default()), [1, 0, 0]);
        assert_eq!(counts(10, Fractions { validation: 0.0, test: 0.0 }), [10, 0, 0]);
    }

    #[test]
    fn the_seed_moves_hosts() {
        let hosts = || (0..50).map(|n| format!("h{n}"));
        assert_eq!(assign(1, hosts(), Fractions::default()), assign(1, hosts(), Fractions::default()));
        assert_ne!(assign(1, hosts(), Fractions::default()), assign(2, hosts(), Fractions::default()));
    }
}
