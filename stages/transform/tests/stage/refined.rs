//! Task `refine`, judged as the agent judges rules: by its linter and its correlator, re-stated here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::workplace::{Workplace, content};

/// The agent's `canonical_condition_signature`.
fn signature(rule: &Value) -> String {
    let keys = ["field", "contains", "equals", "metadata_key", "metadata_contains"];
    let part = |condition: &Value| {
        let told = keys.iter().filter_map(|key| Some(format!("{key}:{}", condition.get(key)?.as_str()?)));
        told.collect::<Vec<_>>().join("|")
    };
    let mut parts: Vec<String> = rule["conditions"].as_array().unwrap().iter().map(part).collect();
    parts.sort();
    format!("{}|logic={}", parts.join("&&"), rule["logic"].as_str().unwrap_or("all"))
}

/// The agent's `lint_rules`: a rule with the conditions of an earlier one is never reached. Its correlator skips one without conditions.
fn lint(rules: &[Value]) -> Vec<String> {
    let mut issues = Vec::new();
    let mut seen: BTreeMap<String, &Value> = BTreeMap::new();
    let tags: Vec<&Value> = rules.iter().flat_map(|rule| rule["tags"].as_array().unwrap()).collect();
    for rule in rules {
        if let Some(first) = seen.insert(signature(rule), &rule["id"]) {
            issues.push(format!("{}: unreachable, shadowed_by={first}", rule["id"]));
        }
        if rule["conditions"].as_array().unwrap().is_empty() {
            issues.push(format!("{}: without conditions", rule["id"]));
        }
        let needed = rule.get("requires_tags").and_then(Value::as_array).into_iter().flatten();
        issues.extend(needed.filter(|tag| !tags.contains(tag)).map(|tag| format!("missing_required_tag {tag}")));
    }
    issues
}

#[test]
fn refined_rules_pass_the_agents_linter_and_follow_from_its_suggestions_alone() {
    let workplace = Workplace::with_real();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let lines: Vec<Value> = ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)).collect();
    let mut rules = 0;
    for line in lines.iter().filter(|line| line["task"] == "refine") {
        let prompt: Value = serde_json::from_str(content(line, 1)).unwrap();
        assert_eq!(
            prompt.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["suggestions"],
            "the graph passes no examples"
        );
        let suggested = prompt["suggestions"].as_array().unwrap();
        let refined: Vec<Value> = serde_json::from_str(content(line, 2)).unwrap();
        let ids = |rules: &[Value]| rules.iter().map(|rule| rule["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&refined), ids(suggested), "one rule for each suggestion, in their order");
        assert_eq!(lint(&refined), [""; 0], "{prompt}");
        for (suggestion, rule) in suggested.iter().zip(&refined) {
            let told = suggestion["rationale"].as_str().unwrap();
            let count = told.strip_prefix("Suggested from ").and_then(|rest| {
                rest.strip_suffix(" recurring uncorrrelated high-risk findings")?.parse::<usize>().ok()
            });
            assert!(count.is_some_and(|count| count >= 2), "{told}");
            assert!(rule["rationale"].as_str().unwrap().starts_with(told), "{rule}");
            let keys = ["id", "title", "rationale", "conditions", "logic", "risk_score_delta", "tags"];
            assert_eq!(suggestion.as_object().unwrap().len(), keys.len());
            // What the answer asks of metadata stands in the suggestion.
            let asked = rule["conditions"].as_array().unwrap().iter().filter(|c| c.get("metadata_key").is_some());
            let suggested = suggestion["conditions"].as_array().unwrap();
            assert!(asked.clone().all(|condition| suggested.contains(condition)), "{rule} of {suggestion}");
            rules += 1;
        }
    }
    assert!(rules > 4, "{rules}");
}

#[test]
fn the_linter_finds_what_it_must() {
    let rule = |id: &str, title: &str| serde_json::json!({"id": id, "conditions": [{"field": "title", "contains": title}], "tags": []});
    assert_eq!(lint(&[rule("a", "x"), rule("b", "y")]), [""; 0]);
    assert_eq!(lint(&[rule("a", "x"), rule("b", "x")]).len(), 1);
    assert_eq!(lint(&[serde_json::json!({"id": "a", "conditions": [], "tags": []})]).len(), 1);
}
