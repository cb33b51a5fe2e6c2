//! An answer read as JSON and held against the true one.

use scan::Severity;
use serde_json::Value;

/// An answer, as far as it could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The JSON, where it is of the same form as the true answer.
    valid: Option<Value>,
}

impl Answer {
    /// Reads `text`; it counts as valid when it has the keys and types of `truth`, no more and no fewer.
    pub fn read(text: &str, truth: &Value) -> Answer {
        let json = serde_json::from_str(text).ok();
        Answer { valid: json.filter(|json| same_form(json, truth)) }
    }

    /// Whether it has the right form.
    pub fn is_valid(&self) -> bool {
        self.valid.is_some()
    }

    /// Whether it is the true answer.
    pub fn equals(&self, truth: &Value) -> bool {
        self.valid.as_ref() == Some(truth)
    }

    /// The severity it gives.
    pub fn severity(&self) -> Option<Severity> {
        severity(self.valid.as_ref()?)
    }

    /// The risk it gives.
    pub fn risk(&self) -> Option<f64> {
        risk(self.valid.as_ref()?)
    }
}

/// The severity in an answer.
pub fn severity(answer: &Value) -> Option<Severity> {
    serde_json::from_value(answer.get("severity")?.clone()).ok()
}

/// The risk in an answer.
pub fn risk(answer: &Value) -> Option<f64> {
    answer.get("risk")?.as_f64()
}

/// Whether `found` has the keys and types of `truth`. Lists may differ in length; their items have the form of the truth's first.
fn same_form(found: &Value, truth: &Value) -> bool {
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

    fn check(text: &str, valid: bool) {
        let truth = json!({"risk": 30, "severity": "low", "list": ["a"]});
        assert_eq!(Answer::read(text, &truth).is_valid(), valid, "{text}");
    }

    #[test]
    fn only_the_same_keys_and_types_are_valid() {
        check(r#"{"risk":7,"severity":"high","list":[]}"#, true);
        check(r#"{"list":["x","y"],"severity":"odd","risk":0}"#, true);
        check(r#"{"risk":7.5,"severity":"high","list":[]}"#, false);
        check(r#"{"risk":"7","severity":"high","list":[]}"#, false);
        check(r#"{"risk":7,"severity":"high","list":[1]}"#, false);
        check(r#"{"risk":7,"severity":"high"}"#, false);
        check(r#"{"risk":7,"severity":"high","list":[],"more":1}"#, false);
        check(r#"{"risk":7,"severity":"high","list":[]"#, false);
        check(r#"{"risk":7,"severity":"high","list":[]} and so on"#, false);
        check("", false);
    }

    #[test]
    fn an_invalid_answer_gives_neither_severity_nor_risk() {
        let truth = json!({"risk": 30, "severity": "low"});
        let answer = Answer::read(r#"{"risk":20,"severity":"low"}"#, &truth);
        assert_eq!((answer.severity(), answer.risk()), (Some(Severity::Low), Some(20.0)));
        assert!(!answer.equals(&truth));
        let answer = Answer::read(r#"{"severity":"low"}"#, &truth);
        assert_eq!((answer.severity(), answer.risk()), (None, None));
        assert_eq!(Answer::read(r#"{"risk":20,"severity":"loud"}"#, &truth).severity(), None);
    }
}
