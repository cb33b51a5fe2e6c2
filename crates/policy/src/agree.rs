//! Whether an answer states what the rule's answer states: what counts as an error when gates are chosen.
//!
//! Two answers agree when they have the same fields outside of their texts (severity, risk, level, trend, counts, ids, techniques), the same
//! facts in their texts (paths, numbers, names, findings that are listed) and the same titles of correlations. Words in between
//! may differ, and items of a list may stand in another order.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::complete::titles;
use crate::facts;
use crate::form::Form;
use crate::judge::Question;

/// Whether `answer` states what the rule's answer to `question` states.
pub fn agrees(question: &Question<'_>, answer: &Value) -> bool {
    let Some(form) = Form::of(question.task) else { return false };
    decided(form, answer) == decided(form, question.rule) && stated(form, answer) == stated(form, question.rule)
}

fn decided(form: Form, answer: &Value) -> Vec<String> {
    let mut items: Vec<String> = match form.decided(answer) {
        Value::Array(items) => items.iter().map(Value::to_string).collect(),
        other => vec![other.to_string()],
    };
    items.sort_unstable();
    items
}

fn stated(form: Form, answer: &Value) -> BTreeSet<String> {
    let texts = form.texts(answer);
    let facts = texts.iter().flat_map(|(field, text)| facts::of_text(field, text));
    let named =
        texts.iter().flat_map(|(_, text)| titles(&text.to_lowercase()).map(|(title, _)| title).collect::<Vec<_>>());
    facts.chain(named).collect()
}
