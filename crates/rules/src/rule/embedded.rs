//! The rules of this build: written by hand in `rules/`, with the points that were measured for them in `measured/points.yaml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::model::Rule;
use super::soundness;
use crate::knowledge::table;

/// The rules of this build. Their order is that of these files and of the rules in each: `joined_by` names an earlier rule, late
/// rules run one after the other, and correlations are written in this order.
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
    let mut rules = files.concat();
    let mut problems = add_points(&mut rules, table!("points"));
    problems.extend(soundness::problems(&rules));
    assert!(problems.is_empty(), "embedded rules: {}", problems.join("; "));
    rules
});

/// Gives each rule its points. A rule without points is a problem, and so are points without a rule.
fn add_points(rules: &mut [Rule], mut points: BTreeMap<String, u8>) -> Vec<String> {
    let mut problems = Vec::new();
    for rule in rules {
        match points.remove(&rule.id) {
            Some(own) => rule.points = own,
            None => problems.push(format!("rule `{}`: no line in measured/points.yaml", rule.id)),
        }
    }
    problems.extend(points.into_keys().map(|id| format!("measured/points.yaml: no rule `{id}`")));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::embedded;

    #[test]
    fn the_embedded_rules_are_sound() {
        assert!(RULES.len() >= 25);
    }

    #[test]
    fn every_rule_has_points_and_all_points_have_a_rule() {
        let rule = "{title: t, rationale: r, find: {scanner: ioc}, join: {host: {with: {scanner: mac}}}, purpose: link, \
                    severity: low, tags: [], techniques: [T1]";
        let mut rules: Vec<Rule> = embedded(&format!("[{rule}, id: a}}, {rule}, id: b}}]"));
        let points = |ids: &[&str]| ids.iter().zip(3..).map(|(id, points)| ((*id).to_owned(), points)).collect();
        assert!(add_points(&mut rules, points(&["b", "a"])).is_empty());
        assert_eq!([rules[0].points, rules[1].points], [4, 3]);
        assert_eq!(
            add_points(&mut rules, points(&["a", "c"])),
            ["rule `b`: no line in measured/points.yaml", "measured/points.yaml: no rule `c`"]
        );
    }
}
