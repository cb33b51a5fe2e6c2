//! Checks of a set of rules beyond its form.

use std::collections::BTreeSet;

use crate::field::Field;
use crate::rule::{Beside, Join, Link, Purpose, Rare, Rule, Side};

/// The most points that one rule may have.
const MOST_POINTS: u8 = 50;

/// Every problem, each naming its rule.
pub(super) fn problems(rules: &[Rule]) -> Vec<String> {
    let (mut names, mut joins) = (BTreeSet::new(), BTreeSet::new());
    let mut problems = Vec::new();
    for rule in rules {
        let mut found = of_rule(rule);
        for id in rule.sides().filter_map(|side| side.joined_by.as_ref()).filter(|id| !joins.contains(id)) {
            found.push(format!("`joined_by` names `{id}`, which is no rule further up that others can build on"));
        }
        if !names.insert(&rule.id) {
            found.push("the id is taken".to_owned());
        }
        // A late rule runs after the sets of all others are known.
        if !rule.join.is_late() {
            joins.insert(&rule.id);
        }
        problems.extend(found.into_iter().map(|problem| format!("rule `{}`: {problem}", rule.id)));
    }
    problems
}

fn of_rule(rule: &Rule) -> Vec<String> {
    let mut problems = Vec::new();
    if rule.points > MOST_POINTS {
        problems.push(format!("{} points are more than {MOST_POINTS}", rule.points));
    }
    let served = purpose_served(rule);
    if rule.purpose != served {
        let (stated, points) = (rule.purpose.name(), rule.points);
        problems.push(format!(
            "its purpose is `{stated}`, but with {points} points and its link it must be `{}`",
            served.name()
        ));
    }
    for (side, name) in [(Some(&rule.find), "find"), (rule.join.with(), "with")] {
        problems.extend(side.into_iter().flat_map(of_side).map(|problem| format!("`{name}` {problem}")));
    }
    if rule.join.compares_hosts() && rule.sides().any(|side| side.joined_by.is_some()) {
        problems.push("`joined_by` has no meaning while hosts are compared".to_owned());
    }
    let of_a_scan = [
        ("change", Field::Change),
        ("prevalence", Field::Prevalence),
        ("kind", Field::Kind),
        ("host_role", Field::HostRole),
    ];
    for (name, unknown) in of_a_scan {
        if rule.join.compares_hosts() && rule.sides().flat_map(Side::fields).any(|field| *field == unknown) {
            problems.push(format!("`{name}` is not known while hosts are compared"));
        }
    }
    match rule.join {
        Join::Hosts { at_least: 0 | 1, .. } => problems.push("`at_least` must be 2 or more".to_owned()),
        Join::Together { scanners } | Join::Window { scanners, .. } if !possible(&rule.find, scanners) => {
            problems.push(format!("`scanners` must be at least 1 and `find` name as many, not {scanners}"));
        }
        Join::Unusual { in_10000: 1_000.., .. }
        | Join::Rare(Rare { in_10000: 1_000.., .. })
        | Join::Beside(Beside { in_10000: Some(1_000..), .. }) => {
            problems.push("`in_10000` must be below 1000: what is so common is usual".to_owned())
        }
        Join::Earlier { scans: 0, .. } => problems.push("`scans` must be 1 or more".to_owned()),
        _ => {}
    }
    problems.extend(
        placeholders(&rule.rationale)
            .filter(|name| !known(rule, name))
            .map(|name| format!("no `{{{name}}}` in this join")),
    );
    problems
}

/// The purpose that a rule's points and link serve.
fn purpose_served(rule: &Rule) -> Purpose {
    match (rule.points, rule.link) {
        (1.., _) => Purpose::Score,
        (0, Link::Strong) => Purpose::Link,
        (0, Link::Weak) => Purpose::Explain,
    }
}

fn of_side(side: &Side) -> Vec<String> {
    let mut problems = Vec::new();
    match (&side.scanner, side.any.is_empty()) {
        (Some(_), false) => problems.push("names a scanner and `any`".to_owned()),
        (None, true) => problems.push("names neither a scanner nor `any`".to_owned()),
        (None, false) if !side.conditions.is_empty() => problems.push("has `where` beside `any`".to_owned()),
        _ => {}
    }
    let tests = side.conditions.iter().chain(side.any.iter().flat_map(|set| &set.conditions));
    problems.extend(tests.filter(|(_, test)| test.is_empty()).map(|(field, _)| format!("tests nothing of {field:?}")));
    problems
}

fn possible(side: &Side, scanners: usize) -> bool {
    (1..=side.scanners().collect::<BTreeSet<_>>().len()).contains(&scanners)
}

/// The names in braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
}

fn known(rule: &Rule, name: &str) -> bool {
    let has_value = !rule.join.is_late() && !matches!(rule.join, Join::Host { .. } | Join::Together { .. });
    match name {
        "left" => true,
        "right" if matches!(rule.join, Join::Beside(_)) => true,
        "right" => rule.join.with().is_some() && !matches!(rule.join, Join::Earlier { .. }),
        "key" => has_value,
        "hosts" => rule.join.compares_hosts(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::embedded;

    fn problems_of(text: &str) -> Vec<String> {
        problems(&embedded::<Vec<Rule>>(text))
    }

    #[test]
    fn each_problem_names_its_rule() {
        let text = r#"
- {id: a, title: t, rationale: "{colour}", find: {scanner: ioc, where: {change: {is: appeared}}},
   join: {hosts: {field: executable, at_least: 1}}, purpose: link, severity: low, tags: [], techniques: []}
- {id: a, title: t, rationale: r, find: {scanner: ioc}, join: {host: {with: {scanner: mac}}}, purpose: score, severity: low,
   tags: [], techniques: [T1]}
"#;
        let problems = problems_of(text);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.starts_with("rule `a`")));
    }

    #[test]
    fn a_purpose_agrees_with_points_and_link() {
        let text = r#"
- {id: a, title: t, rationale: r, find: {scanner: ioc}, join: {host: {with: {scanner: mac}}}, purpose: explain, severity: low,
   tags: [], techniques: [T1]}
"#;
        let problems = |points, link| {
            let mut rules: Vec<Rule> = embedded(text);
            (rules[0].points, rules[0].link) = (points, link);
            super::problems(&rules)
        };
        assert!(problems(0, Link::Weak).is_empty());
        assert_eq!(
            problems(3, Link::Weak),
            ["rule `a`: its purpose is `explain`, but with 3 points and its link it must be `score`"]
        );
        assert_eq!(
            problems(0, Link::Strong),
            ["rule `a`: its purpose is `explain`, but with 0 points and its link it must be `link`"]
        );
        assert!(problems(60, Link::Weak)[0].contains("60 points are more than 50"));
    }

    #[test]
    fn nothing_builds_on_a_rule_that_comes_last() {
        let text = r#"
- {id: a, title: t, rationale: "{left} {right}", find: {scanner: ioc}, join: {beside: {points: 50}}, purpose: link, severity: low,
   tags: [], techniques: [T1]}
- {id: b, title: t, rationale: r, find: {scanner: ioc, joined_by: a}, join: {clusters: {points: 50}}, purpose: link, severity: low,
   tags: [], techniques: [T1]}
"#;
        assert_eq!(
            problems_of(text),
            ["rule `b`: `joined_by` names `a`, which is no rule further up that others can build on"]
        );
    }

    #[test]
    fn sets_that_cannot_be_are_named() {
        let rule = |find: &str, join: &str| {
            let text = format!(
                "- {{id: a, title: t, rationale: r, find: {find}, join: {join}, purpose: link, severity: low, tags: [], techniques: [T1]}}"
            );
            problems_of(&text)
        };
        let host = "{host: {with: {scanner: mac}}}";
        assert!(rule("{scanner: ioc}", host).is_empty());
        assert!(rule("{}", host)[0].contains("neither a scanner nor `any`"));
        assert!(rule("{scanner: ioc, any: [{scanner: mac}]}", host)[0].contains("a scanner and `any`"));
        assert!(rule("{scanner: ioc, where: {pid: {}}}", host)[0].contains("tests nothing of Pid"));
        assert!(rule("{scanner: ioc}", "{window: {scans: 0, scanners: 2}}")[0].contains("not 2"));
        assert!(rule("{scanner: ioc, joined_by: b}", host)[0].contains("no rule further up"));
        let hosts = "{hosts: {field: executable, at_least: 2}}";
        assert!(rule("{scanner: ioc, where: {prevalence: {is: one}}}", hosts)[0].contains("`prevalence` is not known"));
        assert!(rule("{scanner: ioc}", "{unusual: {in_10000: 1000}}")[0].contains("below 1000"));
        assert!(rule("{scanner: ioc}", "{beside: {points: 50, in_10000: 1000}}")[0].contains("below 1000"));
        let earlier = "{earlier: {field: inode, with: {scanner: network}, to: inode, scans: 0}}";
        assert!(rule("{scanner: network}", earlier)[0].contains("1 or more"));
    }
}
