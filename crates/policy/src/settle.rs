//! The rule's answer with the model's text in it, and what the model thinks otherwise.

use std::collections::BTreeSet;

use scan::Severity;
use serde_json::Value;

use crate::form::Form;
use crate::judge::Question;

/// The rule's answer to `question` with the texts of `taken`: every severity, risk, count, id and technique is the rule's. Of a list, the
/// texts about what the rule names; what it does not name is left out.
pub fn settle(question: &Question<'_>, taken: &Value) -> Value {
    let mut settled = question.rule.clone();
    match Form::of(question.task) {
        None => {}
        Some(Form::Object(texts)) => take(&mut settled, taken, texts),
        Some(Form::List { key, texts }) => {
            let mut items: Vec<&Value> = taken.as_array().into_iter().flatten().collect();
            for own in settled.as_array_mut().into_iter().flatten() {
                // Each item once: two of the rule's may be about the same.
                if let Some(place) = items.iter().position(|item| about(item, key) == about(own, key)) {
                    take(own, items.remove(place), texts);
                }
            }
        }
    }
    settled
}

/// Text for text. What the rule leaves out the model may leave in, and the other way round, as both are within the schema.
fn take(own: &mut Value, taken: &Value, texts: &[&str]) {
    let Some(fields) = own.as_object_mut() else { return };
    for name in texts {
        if let Some(text) = taken.get(name) {
            fields.insert((*name).to_owned(), text.clone());
        }
    }
}

/// What an item of a list is about.
pub(crate) fn about<'a>(item: &'a Value, key: &str) -> BTreeSet<&'a str> {
    match item.get(key) {
        Some(Value::String(name)) => BTreeSet::from([name.as_str()]),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

/// The severity, level or priority that `answer` gives, where it is not the rule's. It changes nothing.
pub fn opinion(question: &Question<'_>, answer: &Value) -> Option<Severity> {
    let given = |answer: &Value| {
        let place = match question.task {
            "finding" => "/severity",
            "summary" => "/RISK_ASSESSMENT/level",
            "triage" => "/PRIORITY_LEVEL",
            _ => return None,
        };
        let name = answer.pointer(place)?.as_str()?;
        Severity::ALL.into_iter().find(|severity| severity.name() == name)
    };
    given(answer).filter(|severity| given(question.rule) != Some(*severity))
}
