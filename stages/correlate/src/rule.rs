//! Correlation rules as data: the form that `rules/README.md` documents, and the embedded set.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use scan::Severity;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::facts::Facts;
use crate::field::Field;
use crate::knowledge::table;
use crate::soundness::problems;

/// The rules of this build, in the order of their files.
pub static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let files: [Vec<Rule>; 9] = [
        table!("process"),
        table!("network"),
        table!("filesystem"),
        table!("kernel"),
        table!("persistence"),
        table!("time"),
        table!("fleet"),
        table!("subject"),
        table!("beside"),
    ];
    let rules = files.concat();
    let problems = problems(&rules);
    assert!(problems.is_empty(), "embedded rules: {}", problems.join("; "));
    rules
});

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
    /// Whether what it joins is of one cause.
    #[serde(default)]
    pub link: Link,
    /// Points of risk it adds to its members, and of suspicion to their cluster.
    #[schemars(range(max = 50))]
    pub delta: u8,
    /// Severity of the correlation.
    pub severity: Severity,
    /// Tags of the correlation.
    pub tags: Vec<String>,
    /// What is exposed.
    #[serde(default)]
    pub exposure_tags: Vec<String>,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
}

/// Whether the findings that a rule joins belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// They do: they come into one cluster.
    #[default]
    Strong,
    /// They only worsen each other, as all that one host shows may: clusters stay apart.
    Weak,
}

/// A set of findings: those of one scanner that meet all conditions, or the union of several such sets.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Of this scanner. Not beside `any`.
    #[serde(default)]
    pub scanner: Option<String>,
    /// That meet all of these, by field.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<Field, Test>,
    /// Or of any of these sets.
    #[serde(default)]
    pub any: Vec<Alternative>,
    /// And that a rule further up has joined with something in the same scan.
    #[serde(default)]
    pub joined_by: Option<String>,
}

/// One of several sets.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Of this scanner.
    pub scanner: String,
    /// That meet all of these, by field.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<Field, Test>,
}

/// How findings are brought together. Whatever shares a value becomes one correlation.
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
    /// Two sets that are not empty in one scan.
    Host {
        /// The second set.
        with: Side,
    },
    /// Everything of the first set in one scan, where it is of several scanners.
    Together {
        /// The fewest scanners.
        scanners: usize,
    },
    /// What of the first set speaks of one process, program, file, unit or module, where clean hosts hardly ever show the same
    /// signs of one together (`knowledge/usual.yaml`).
    Unusual {
        /// Of ten thousand scans of clean hosts at most so many show it.
        in_10000: u32,
    },
    /// What of the first set few clean hosts show and is not suspected, all of a scan together. Looked for when the rules before are done.
    Rare(Rare),
    /// The clusters of a scan that have members in the first set and so many points each, where there are several. Looked for when
    /// the rules before are done.
    Clusters {
        /// The fewest points of each.
        points: u8,
    },
    /// What of the first set few clean hosts show, beside the scan's most suspicious cluster. Looked for when all other rules are
    /// done; a host with an attack has hardly a second one.
    Beside(Beside),
    /// What of the first set appeared after the host's first scan within a few scans, where it is of several scanners.
    Window {
        /// How many scans lie between one appearance and the next at most; 0 is the same scan.
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
        /// How many scans back at most; 1 is the one before.
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
    /// Of ten thousand scans of clean hosts at most so many show what the finding says.
    pub in_10000: u32,
    /// Findings of a cluster with so many points are left out.
    pub points: u8,
}

/// The terms of the join `beside`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// The fewest points of the cluster.
    pub points: u8,
    /// Of ten thousand scans of clean hosts at most so many show what the finding says; without it, however many.
    #[serde(default)]
    pub in_10000: Option<u32>,
    /// What the cluster must hold one of.
    #[serde(default)]
    pub with: Option<Side>,
    /// A field of which the finding has the value that one of the cluster has.
    #[serde(default)]
    pub same: Option<Field>,
}

/// What must hold of a value: everything that is named. A field that a finding lacks fails every test but `present: false`.
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
    /// Has one of these within.
    pub contains: Option<Vec<String>>,
    /// `false`: the finding has no such field; no other test may stand beside it.
    pub present: Option<bool>,
}

impl Rule {
    /// The first set, and the second where there is one.
    pub fn sides(&self) -> impl Iterator<Item = &Side> {
        std::iter::once(&self.find).chain(self.join.with())
    }
}

impl Side {
    /// Whether a finding belongs to the set, as far as it alone tells.
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

    /// Every field that it asks for.
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

    /// Whether it asks what the other rules make of the scan, and so comes after them.
    pub fn is_late(&self) -> bool {
        matches!(self, Join::Rare(_) | Join::Clusters { .. } | Join::Beside(_))
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
    fn the_embedded_rules_are_sound() {
        assert!(RULES.len() >= 25);
        assert!(problems(&RULES).is_empty());
    }

    #[test]
    fn all_parts_of_a_test_must_hold() {
        let test =
            Test { under: Some(vec!["/usr/".into()]), not_under: Some(vec!["/usr/local/".into()]), ..Test::default() };
        assert!(test.holds("/usr/bin/x") && !test.holds("/usr/local/bin/x") && !test.holds("/opt/x"));
        assert!(Test::default().is_empty() && !test.is_empty());
    }
}
