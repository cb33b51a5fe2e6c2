//! The schemas of the tasks that `transform` writes, and whether an answer keeps one.
//!
//! The schemas under `schemas/answers` are generated from Rust types and use few keywords of JSON Schema; a test refuses others.

use serde_json::Value;

/// The schema of a task as text, where it is one of this project's: its keys in the order in which answers have them.
pub fn text(task: &str) -> Option<&'static str> {
    Some(match task {
        "actions" => include_str!("../../../schemas/answers/actions.json"),
        "correlation" => include_str!("../../../schemas/answers/correlation.json"),
        "finding" => include_str!("../../../schemas/answers/finding.json"),
        "refine" => include_str!("../../../schemas/answers/refine.json"),
        "summary" => include_str!("../../../schemas/answers/summary.json"),
        "triage" => include_str!("../../../schemas/answers/triage.json"),
        _ => return None,
    })
}

/// The same as a value. It does not keep the order of keys: what holds a model to a schema takes [`text`].
pub fn of_task(task: &str) -> Option<Value> {
    text(task).map(|text| serde_json::from_str(text).expect("the committed schema is JSON"))
}

/// Whether `value` keeps `schema`.
pub fn keeps(value: &Value, schema: &Value) -> bool {
    fault(value, schema).is_none()
}

/// Where `value` breaks `schema` first, and which keyword of it: `/0/risk breaks maximum`.
pub fn fault(value: &Value, schema: &Value) -> Option<String> {
    Walk { root: schema }.check(value, schema, "").err()
}

struct Walk<'a> {
    /// What references start from.
    root: &'a Value,
}

impl Walk<'_> {
    fn check(&self, value: &Value, schema: &Value, place: &str) -> Result<(), String> {
        let breaks = |keyword: &str| format!("{} breaks {keyword}", if place.is_empty() { "it" } else { place });
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(reference.trim_start_matches('#'));
            self.check(value, target.ok_or_else(|| breaks("$ref"))?, place)?;
        }
        let name = schema.get("type").and_then(Value::as_str);
        let alternatives = schema.get("oneOf").and_then(Value::as_array);
        let holds = |one: &&Value| self.check(value, one, place).is_ok();
        let held = [
            ("type", name.is_none_or(|name| is_of_type(value, name))),
            ("const", schema.get("const").is_none_or(|constant| constant == value)),
            ("oneOf", alternatives.is_none_or(|all| all.iter().filter(holds).count() == 1)),
            ("minimum", bound(schema, "minimum").zip(value.as_f64()).is_none_or(|(least, number)| number >= least)),
            ("maximum", bound(schema, "maximum").zip(value.as_f64()).is_none_or(|(most, number)| number <= most)),
        ];
        match held.iter().find(|(_, holds)| !holds) {
            Some((keyword, _)) => Err(breaks(keyword)),
            None => self.members(value, schema, place),
        }
    }

    fn members(&self, value: &Value, schema: &Value, place: &str) -> Result<(), String> {
        match value {
            Value::Array(items) => {
                let Some(of) = schema.get("items") else { return Ok(()) };
                let mut items = items.iter().enumerate();
                items.try_for_each(|(at, item)| self.check(item, of, &format!("{place}/{at}")))
            }
            Value::Object(fields) => {
                let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
                if let Some(key) = required.filter_map(Value::as_str).find(|key| !fields.contains_key(*key)) {
                    return Err(format!("{place}/{key} is missing"));
                }
                let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
                fields.iter().try_for_each(|(key, field)| match schema.get("properties").and_then(|all| all.get(key)) {
                    Some(of) => self.check(field, of, &format!("{place}/{key}")),
                    None if closed => Err(format!("a key of the schema's own is expected{}", within(place))),
                    None => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }
}

fn within(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" in {place}") }
}

fn bound(schema: &Value, keyword: &str) -> Option<f64> {
    schema.get(keyword)?.as_f64()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TASKS: [&str; 6] = ["actions", "correlation", "finding", "refine", "summary", "triage"];

    /// What the walk above heeds, and what says nothing about a value. `format` only repeats the bounds.
    const KEYWORDS: [&str; 17] = [
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
        "x-guidance",
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
    fn a_fault_is_told_with_its_place() {
        let told = |task: &str, value: Value| fault(&value, &of_task(task).unwrap()).unwrap();
        assert_eq!(told("finding", json!({"risk": 130, "severity": "low", "rationale": "r"})), "/risk breaks maximum");
        assert_eq!(
            told("finding", json!({"risk": 30, "severity": "loud", "rationale": "r"})),
            "/severity breaks oneOf"
        );
        assert_eq!(told("finding", json!([])), "it breaks type");
        let item = json!({"title": "t", "related_finding_ids": [1], "techniques": []});
        assert_eq!(told("correlation", json!([item])), "/0/related_finding_ids/0 breaks type");
        assert_eq!(told("finding", json!({"risk": 30, "severity": "low"})), "/rationale is missing");
    }
}
