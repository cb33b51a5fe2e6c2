//! Whether an answer has the form of the true one: for tasks without a schema.

use serde_json::Value;

/// Whether `found` has the keys and types of `truth`. Lists may differ in length; their items have the
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
