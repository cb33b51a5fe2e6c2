//! Correlation rules as data: the form that `rules/README.md` documents, and the embedded set.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use scan::Severity;
use serde::Deserialize;

use crate::facts::{Facts, Field};
use crate::knowledge::embedded;

/// The rules of this build, in the order of their files.
pub static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let files = [
        include_str!("../rules/process.yaml"),
        include_str!("../rules/filesystem.yaml"),
        include_str!("../rules/kernel.yaml"),
        include_str!("../rules/fleet.yaml"),
    ];
    let rules: Vec<Rule> = files.into_iter().flat_map(embedded::<Vec<Rule>>).collect();
    let problems = problems(&rules);
    assert!(problems.is_empty(), "embedded rules: {}", problems.join("; "));
    rules
});

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique name.
    pub id: String,
    /// For people and the model.
    pub title: String,
    /// Text with `{key}`, `{left}`, `{right}` and `{hosts}`.
    pub rationale: String,
    /// The findings it starts from.
    pub find: Side,
    /// What they are joined with.
    pub join: Join,
    /// Points of risk it adds to its members.
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

/// A set of findings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Of this scanner.
    pub scanner: String,
    /// That meet all of these.
    #[serde(default, rename = "where")]
    pub conditions: Vec<Condition>,
}

/// How findings are brought together.
#[derive(Clone, Debug, Deserialize)]
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
    /// The same value on several hosts.
    Hosts {
        /// The field.
        field: Field,
        /// The fewest hosts.
        at_least: usize,
    },
}

/// One condition on one field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field.
    pub field: Field,
    /// What must hold of its value.
    pub test: Test,
}

/// What may be asked of a value. A field that a finding lacks fails every test.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Equal.
    Is(String),
    /// Different.
    Not(String),
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
    /// Starts with one of these.
    Under(Vec<String>),
    /// Starts with none of these.
    NotUnder(Vec<String>),
}

impl Side {
    /// Whether a finding belongs to the set.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.scanner == facts.scanner && self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        facts.get(&self.field).is_some_and(|value| self.test.holds(value))
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Test::Is(text) => value == text,
            Test::Not(text) => value != text,
            Test::In(texts) => texts.iter().any(|text| value == text),
            Test::NotIn(texts) => !texts.iter().any(|text| value == text),
            Test::Under(prefixes) => prefixes.iter().any(|prefix| value.starts_with(prefix.as_str())),
            Test::NotUnder(prefixes) => !prefixes.iter().any(|prefix| value.starts_with(prefix.as_str())),
        }
    }
}

/// What is wrong with a set of rules beyond their form: every problem, each naming its rule.
pub fn problems(rules: &[Rule]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for rule in rules {
        let mut problem = |text: String| problems.push(format!("rule `{}`: {text}", rule.id));
        if !names.insert(&rule.id) {
            problem("the id is taken".to_owned());
        }
        if rule.delta > 50 {
            problem(format!("delta {} is above 50", rule.delta));
        }
        if rule.techniques.is_empty() {
            problem("no technique".to_owned());
        }
        let compares_hosts = matches!(rule.join, Join::Hosts { .. });
        let reads_change = |side: &Side| side.conditions.iter().any(|c| c.field == Field::Change);
        if compares_hosts && reads_change(&rule.find) {
            problem("`change` is not known while hosts are compared".to_owned());
        }
        if let Join::Hosts { at_least: 0 | 1, .. } = rule.join {
            problem("`at_least` must be 2 or more".to_owned());
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rules_are_sound() {
        assert!(RULES.len() >= 10);
        assert!(problems(&RULES).is_empty());
    }

    #[test]
    fn each_problem_names_its_rule() {
        let text = r#"
- {id: a, title: t, rationale: r, find: {scanner: ioc, where: [{field: change, test: {is: appeared}}]},
   join: {hosts: {field: executable, at_least: 1}}, delta: 60, severity: low, tags: [], techniques: []}
- {id: a, title: t, rationale: r, find: {scanner: ioc}, join: {host: {with: {scanner: mac}}}, delta: 1, severity: low,
   tags: [], techniques: [T1]}
"#;
        let problems = problems(&embedded::<Vec<Rule>>(text));
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.starts_with("rule `a`")));
    }
}
