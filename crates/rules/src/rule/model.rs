//! The form of a rule, which `rules/README.md` documents.

use std::collections::BTreeMap;

use scan::Severity;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::facts::Facts;
use crate::field::Field;

/// One rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique name, and the beginning of its correlations' ids.
    pub id: String,
    /// For people and the model.
    pub title: String,
    /// Text with `{key}` (the shared value), `{left}` and `{right}` (how many findings of each set) and `{hosts}`.
    pub rationale: String,
    /// The findings it starts from.
    pub find: Side,
    /// What they are joined with.
    pub join: Join,
    /// Whether the joined findings share a cause (strong) or only aggravate each other (weak).
    #[serde(default)]
    pub link: Link,
    /// Why the rule is here. Its points and its link must agree with it.
    pub purpose: Purpose,
    /// What it adds to the risk of its members and to the suspicion of their cluster. Measured: `measured/points.yaml`.
    #[serde(skip)]
    pub points: u8,
    /// Severity of the correlation.
    pub severity: Severity,
    /// Tags of the correlation.
    pub tags: Vec<String>,
    /// What is exposed.
    #[serde(default)]
    pub exposure_tags: Vec<String>,
    /// ATT&CK techniques that its findings can show (`knowledge/attack/evidence.yaml`); a correlation bears those that they do show.
    /// Without any it passes on what its findings show by themselves.
    #[serde(default)]
    pub techniques: Vec<String>,
}

/// Whether the findings that a rule joins belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// They share a cause and join one cluster.
    #[default]
    Strong,
    /// They only aggravate each other, as any findings of one host may: their clusters stay apart.
    Weak,
}

/// What a rule contributes beyond its correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It adds points: it has some. It joins clusters too where its link is strong.
    Score,
    /// It joins clusters: it has no points, and its link is strong.
    Link,
    /// It only explains its members, by its rationale, tags and techniques: it has no points, and its link is weak.
    Explain,
}

/// A set of findings: those of one scanner that meet all conditions, or the union of several such sets.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Findings of this scanner. Not beside `any`.
    #[serde(default)]
    pub scanner: Option<String>,
    /// Conditions by field; all of them must hold.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<Field, Test>,
    /// Alternatives; a finding belongs to the set if it belongs to one of them.
    #[serde(default)]
    pub any: Vec<Alternative>,
    /// Only findings that this earlier rule has joined in the same scan.
    #[serde(default)]
    pub joined_by: Option<String>,
}

/// One of several sets.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Findings of this scanner.
    pub scanner: String,
    /// Conditions by field; all of them must hold.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<Field, Test>,
}

/// How findings are joined. Findings that share a value become one correlation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Join {
    /// The same value in two sets of one scan.
    Key {
        /// Field of the first set.
        field: Field,
        /// The second set.
        with: Side,
        /// Field of the second set.
        to: Field,
    },
    /// Two sets, where both have findings in one scan.
    Host {
        /// The second set.
        with: Side,
    },
    /// All findings of the first set in one scan, where several scanners report them.
    Together {
        /// The fewest scanners.
        scanners: usize,
    },
    /// Findings of the first set about one process, program, file, unit or module, where a sign of it, or two signs together, are
    /// rare on clean hosts (`measured/usual.yaml`).
    Unusual {
        /// At most this many of ten thousand scans of clean hosts show them.
        in_10000: u32,
        /// More than this many do: a rarer one is of another rule.
        #[serde(default)]
        more_than: Option<u32>,
    },
    /// Groups, per scan, the findings of the first set that are rare on clean hosts and not yet in a suspected cluster. Runs after
    /// all earlier rules.
    Rare(Rare),
    /// Merges the clusters of a scan that have members in the first set and enough points each, where there are at least two. Runs
    /// after all earlier rules.
    Clusters {
        /// The fewest points of each cluster.
        points: u8,
    },
    /// Joins findings of the first set with the most suspicious cluster of their scan: two attacks on one host in one scan are
    /// unlikely. Runs after all earlier rules.
    Beside(Beside),
    /// Findings of the first set that appeared after the host's first scan and within a few scans of each other, where several
    /// scanners report them.
    Window {
        /// The most scans between one appearance and the next; 0 is the same scan.
        scans: u32,
        /// The fewest scanners.
        scanners: usize,
    },
    /// The same value in an earlier scan of the host.
    Earlier {
        /// Field of the first set.
        field: Field,
        /// The set of the earlier scan.
        with: Side,
        /// Its field.
        to: Field,
        /// The most scans to look back; 1 is the scan before.
        scans: u32,
    },
    /// The same value on several hosts.
    Hosts {
        /// The field.
        field: Field,
        /// The fewest hosts.
        at_least: usize,
    },
    /// A value of the first set on one host that the second set has on another.
    Peers {
        /// Field of the first set.
        field: Field,
        /// The set of the other host.
        with: Side,
        /// Its field.
        to: Field,
    },
}

/// The terms of the join `rare`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rare {
    /// At most this many of ten thousand scans of clean hosts show one of the finding's signs.
    pub in_10000: u32,
    /// Findings of a cluster with this many points or more are left out.
    pub points: u8,
}

/// The terms of the join `beside`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// The fewest points of the cluster.
    pub points: u8,
    /// At most this many of ten thousand scans of clean hosts show one of the finding's signs; without it, any number may.
    #[serde(default)]
    pub in_10000: Option<u32>,
    /// A set of which the cluster must hold a finding.
    #[serde(default)]
    pub with: Option<Side>,
    /// A field in which the finding must have the same value as a finding of the cluster.
    #[serde(default)]
    pub same: Option<Field>,
}

/// A test of a value; all its parts must hold. A field that the finding lacks fails every test but `present: false`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Test {
    /// Equal.
    pub is: Option<String>,
    /// Different.
    pub not: Option<String>,
    /// One of these.
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    /// None of these.
    #[serde(rename = "not_in")]
    pub none_of: Option<Vec<String>>,
    /// Starts with one of these.
    pub under: Option<Vec<String>>,
    /// Starts with none of these.
    pub not_under: Option<Vec<String>>,
    /// Contains one of these.
    pub contains: Option<Vec<String>>,
    /// `false`: the finding has no such field; no other test may stand beside it.
    pub present: Option<bool>,
}

impl Purpose {
    /// The name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Score => "score",
            Purpose::Link => "link",
            Purpose::Explain => "explain",
        }
    }
}

impl Rule {
    /// The first set, and the second where there is one.
    pub fn sides(&self) -> impl Iterator<Item = &Side> {
        std::iter::once(&self.find).chain(self.join.with())
    }
}

impl Side {
    /// Whether a finding meets the conditions of the set; [`Side::joined_by`] is for the caller.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        match &self.scanner {
            Some(scanner) => *scanner == facts.scanner && all_hold(&self.conditions, facts),
            None => self.any.iter().any(|set| set.scanner == facts.scanner && all_hold(&set.conditions, facts)),
        }
    }

    /// The scanners whose findings can belong to it.
    pub fn scanners(&self) -> impl Iterator<Item = &str> {
        self.scanner.as_deref().into_iter().chain(self.any.iter().map(|set| set.scanner.as_str()))
    }

    /// Every field that its conditions name.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.conditions.keys().chain(self.any.iter().flat_map(|set| set.conditions.keys()))
    }
}

impl Join {
    /// The second set, where there is one.
    pub fn with(&self) -> Option<&Side> {
        match self {
            Join::Key { with, .. } | Join::Host { with } | Join::Earlier { with, .. } | Join::Peers { with, .. } => {
                Some(with)
            }
            Join::Together { .. }
            | Join::Window { .. }
            | Join::Unusual { .. }
            | Join::Rare(_)
            | Join::Clusters { .. }
            | Join::Hosts { .. } => None,
            Join::Beside(beside) => beside.with.as_ref(),
        }
    }

    /// Whether it needs the clusters that the other rules make, and so runs after them.
    pub fn is_late(&self) -> bool {
        matches!(self, Join::Rare(_) | Join::Clusters { .. } | Join::Beside(_))
    }

    /// Whether it finds what clean hosts seldom show, whatever that is.
    pub fn is_of_counts(&self) -> bool {
        matches!(self, Join::Unusual { .. } | Join::Rare(Rare { in_10000: 0, .. }) | Join::Clusters { .. })
    }

    /// Whether hosts are compared.
    pub fn compares_hosts(&self) -> bool {
        matches!(self, Join::Hosts { .. } | Join::Peers { .. })
    }
}

/// Whether every test holds of a finding.
pub fn all_hold(conditions: &BTreeMap<Field, Test>, facts: &Facts<'_>) -> bool {
    conditions.iter().all(|(field, test)| match facts.get(field) {
        Some(value) => test.holds(&value),
        None => test.present == Some(false),
    })
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        let starts = |prefixes: &[String]| prefixes.iter().any(|prefix| value.starts_with(prefix.as_str()));
        self.is.as_ref().is_none_or(|text| value == text)
            && self.not.as_ref().is_none_or(|text| value != text)
            && self.one_of.as_ref().is_none_or(|texts| texts.iter().any(|text| value == text))
            && self.none_of.as_ref().is_none_or(|texts| !texts.iter().any(|text| value == text))
            && self.under.as_ref().is_none_or(|prefixes| starts(prefixes))
            && self.not_under.as_ref().is_none_or(|prefixes| !starts(prefixes))
            && self.contains.as_ref().is_none_or(|parts| parts.iter().any(|part| value.contains(part.as_str())))
            && self.present != Some(false)
    }

    /// Whether it tests nothing.
    pub fn is_empty(&self) -> bool {
        *self == Test::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_test_must_hold() {
        let test =
            Test { under: Some(vec!["/usr/".into()]), not_under: Some(vec!["/usr/local/".into()]), ..Test::default() };
        assert!(test.holds("/usr/bin/x") && !test.holds("/usr/local/bin/x") && !test.holds("/opt/x"));
        assert!(Test::default().is_empty() && !test.is_empty());
    }
}
