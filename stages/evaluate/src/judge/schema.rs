//! The schemas of the tasks that `transform` writes, and whether an answer keeps one.
//!
//! The schemas under `schemas/answers` are generated from Rust types and use few keywords of JSON Schema; a test refuses others.

use serde_json::Value;

/// The schema of a task, where it is one of this project's.
pub fn of_task(task: &str) -> Option<Value> {
    let text = match task {
        "actions" => include_str!("../../../../schemas/answers/actions.json"),
        "correlation" => include_str!("../../../../schemas/answers/correlation.json"),
        "finding" => include_str!("../../../../schemas/answers/finding.json"),
        "refine" => include_str!("../../../../schemas/answers/refine.json"),
        "summary" => include_str!("../../../../schemas/answers/summary.json"),
        "triage" => include_str!("../../../../schemas/answers/triage.json"),
        _ => return None,
    };
    Some(serde_json::from_str(text).expect("the committed schema is JSON"))
}

/// Whether `value` keeps `schema`.
pub fn keeps(value: &Value, schema: &Value) -> bool {
    holds(value, schema, schema)
}

fn holds(value: &Value, schema: &Value, root: &Value) -> bool {
    let referred = schema.get("$ref").and_then(Value::as_str).map(|place| root.pointer(place.trim_start_matches('#')));
    let of_reference = match referred {
        None => true,
        Some(target) => target.is_some_and(|target| holds(value, target, root)),
    };
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    let one_of = alternatives.is_none_or(|all| all.iter().filter(|one| holds(value, one, root)).count() == 1);
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    of_reference
        && one_of
        && constant
        && schema.get("type").and_then(Value::as_str).is_none_or(|name| is_of_type(value, name))
        && within(value, schema)
        && members_hold(value, schema, root)
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn within(value: &Value, schema: &Value) -> bool {
    let Some(number) = value.as_f64() else { return true };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    bound("minimum").is_none_or(|least| number >= least) && bound("maximum").is_none_or(|most| number <= most)
}

fn members_hold(value: &Value, schema: &Value, root: &Value) -> bool {
    match value {
        Value::Array(items) => schema.get("items").is_none_or(|of| items.iter().all(|item| holds(item, of, root))),
        Value::Object(fields) => {
            let declared = schema.get("properties");
            let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            let required = schema.get("required").and_then(Value::as_array);
            let has = |key: &Value| key.as_str().is_some_and(|key| fields.contains_key(key));
            required.is_none_or(|keys| keys.iter().all(has))
                && fields.iter().all(|(key, field)| match declared.and_then(|declared| declared.get(key)) {
                    Some(of) => holds(field, of, root),
                    None => !closed,
                })
        }
        _ => true,
    }
}

/// Whether `found` has the keys and types of `truth`: for tasks without a schema. Lists may differ in length; their items have the
/// form of the truth's first.
pub fn same_form(found: &Value, truth: &Value) -> bool {
    match (found, truth) {
        (Value::Object(found), Value::Object(truth)) => {
            found.len() == truth.len()
                && truth.iter().all(|(key, truth)| found.get(key).is_some_and(|found| same_form(found, truth)))
        }
        (Value::Array(found), Value::Array(truth)) => {
            truth.first().is_none_or(|truth| found.iter().all(|found| same_form(found, truth)))
        }
        (Value::Number(found), Value::Number(truth)) => found.is_f64() == truth.is_f64(),
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TASKS: [&str; 6] = ["actions", "correlation", "finding", "refine", "summary", "triage"];

    /// What the walk above heeds, and what says nothing about a value. `format` only repeats the bounds.
    const KEYWORDS: [&str; 16] = [
        "$ref",
        "$defs",
        "$schema",
        "oneOf",
        "const",
        "type",
        "minimum",
        "maximum",
        "items",
        "properties",
        "required",
        "additionalProperties",
        "title",
        "description",
        "format",
        "default",
    ];

    fn check_keywords(schema: &Value, pointer: &str) {
        for (key, inner) in schema.as_object().unwrap() {
            assert!(KEYWORDS.contains(&key.as_str()), "{pointer}/{key} is not heeded");
            match key.as_str() {
                "properties" | "$defs" => inner
                    .as_object()
                    .unwrap()
                    .iter()
                    .for_each(|(name, of)| check_keywords(of, &format!("{pointer}/{name}"))),
                "items" => check_keywords(inner, &format!("{pointer}/items")),
                "oneOf" => {
                    inner.as_array().unwrap().iter().for_each(|of| check_keywords(of, &format!("{pointer}/oneOf")))
                }
                _ => {}
            }
        }
    }

    #[test]
    fn the_schemas_use_no_keyword_that_the_walk_does_not_heed() {
        TASKS.iter().for_each(|task| check_keywords(&of_task(task).unwrap(), task));
        assert!(of_task("chat").is_none());
    }

    #[test]
    fn an_answer_that_breaks_the_schema_anywhere_does_not_keep_it() {
        let check = |task: &str, value: Value, expected: bool| {
            assert_eq!(keeps(&value, &of_task(task).unwrap()), expected, "{task} {value}");
        };
        check("finding", json!({"risk": 30, "severity": "low", "rationale": "r"}), true);
        check("finding", json!({"risk": 130, "severity": "low", "rationale": "r"}), false);
        check("finding", json!({"risk": 30.0, "severity": "low", "rationale": "r"}), false);
        check("finding", json!({"risk": 30, "severity": "loud", "rationale": "r"}), false);
        check("finding", json!({"risk": 30, "severity": "low"}), false);
        check("finding", json!({"risk": 30, "severity": "low", "rationale": "r", "more": 1}), false);
        check("correlation", json!([]), true);
        check("correlation", json!([{"title": "t", "related_finding_ids": ["f1"], "techniques": []}]), true);
        check("correlation", json!([{"title": "t", "related_finding_ids": [1], "techniques": []}]), false);
        check("correlation", json!({}), false);
        let assessed = |level: &str| {
            json!({"EXECUTIVE_SUMMARY": "", "KEY_FINDINGS": [], "RECOMMENDATIONS": [],
                "RISK_ASSESSMENT": {"level": level, "highest_risk": 1, "trend": ""}})
        };
        check("summary", assessed("high"), true);
        check("summary", assessed("info"), false);
    }

    #[test]
    fn without_a_schema_the_form_is_that_of_the_truth() {
        let truth = json!({"risk": 30, "list": ["a"]});
        let check = |found: Value, expected| assert_eq!(same_form(&found, &truth), expected, "{found}");
        check(json!({"list": ["x", "y"], "risk": 0}), true);
        check(json!({"list": [], "risk": 7.5}), false);
        check(json!({"list": [1], "risk": 7}), false);
        check(json!({"risk": 7}), false);
        check(json!({"list": [], "risk": 7, "more": 1}), false);
    }
}
