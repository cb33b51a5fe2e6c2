//! Whether an answer says what it must.
//!
//! - every high or critical correlation that the rule's answer names, and whether an attack is suspected;
//! - of a list, something about everything that the rule's answer is about; of findings, the one that the rule's answer puts first;
//! - of one finding, at least one of the rule's reasons.
//!
//! So nothing that says the same whatever it is asked is taken.

use rules::rule::RULES;
use scan::Severity;
use serde_json::Value;

use crate::facts;
use crate::form::{Form, all_text};
use crate::judge::Question;
use crate::settle::about;

/// How an answer says whether somebody is there.
pub(crate) const VERDICTS: [&str; 2] = ["an attack is suspected", "no attack is suspected"];

/// What stands between two reasons.
const REASON: &str = "; ";

/// What `answer` leaves out, in quotes.
pub(crate) fn check(question: &Question<'_>, form: Form, answer: &Value) -> Result<(), String> {
    match form {
        Form::List { key, .. } => items(question, key, answer)?,
        Form::Object(names) => names.iter().try_for_each(|name| field(name, question.rule, answer))?,
    }
    let text = |answer: &Value| {
        let texts: Vec<&str> = form.texts(answer).into_iter().map(|(_, text)| text).collect();
        texts.join("\n").to_lowercase()
    };
    let (own, rule) = (text(answer), text(question.rule));
    let grave = titles(&rule).filter(|(_, severity)| *severity >= Severity::High).map(|(title, _)| title);
    let verdicts = VERDICTS.iter().map(|verdict| (*verdict).to_owned()).filter(|verdict| rule.contains(verdict));
    match grave.chain(verdicts).find(|said| !own.contains(said)) {
        Some(said) => Err(format!("{said:?}")),
        None => Ok(()),
    }
}

/// The titles of rules that `text`, in lower case, names, with the severity of each.
pub(crate) fn titles(text: &str) -> impl Iterator<Item = (String, Severity)> {
    let titles = RULES.iter().map(|rule| (rule.title.to_lowercase(), rule.severity));
    titles.filter(move |(title, _)| text.contains(title))
}

/// Everything that the rule's answer is about, and a grave correlation under its title.
fn items(question: &Question<'_>, key: &str, answer: &Value) -> Result<(), String> {
    let title = |item: &Value| item.get("title").map(all_text).unwrap_or_default().to_lowercase();
    let mut left: Vec<&Value> = answer.as_array().into_iter().flatten().collect();
    for own in question.rule.as_array().into_iter().flatten() {
        let grave =
            question.task == "correlation" && titles(&title(own)).any(|(_, severity)| severity >= Severity::High);
        let found =
            left.iter().position(|item| about(item, key) == about(own, key) && (!grave || title(item) == title(own)));
        match found {
            Some(place) => drop(left.remove(place)),
            None if grave => return Err(format!("{:?}", title(own))),
            None => return Err(format!("{:?}", about(own, key).into_iter().collect::<Vec<_>>().join(" "))),
        }
    }
    Ok(())
}

/// What a text or a list of texts must have of the rule's.
fn field(name: &str, rule: &Value, answer: &Value) -> Result<(), String> {
    let strings = |of: &Value| -> Vec<String> {
        match of.get(name) {
            Some(Value::String(text)) => text.split(REASON).map(str::to_lowercase).collect(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).map(|text| facts::finding(text).to_lowercase()).collect()
            }
            _ => Vec::new(),
        }
    };
    let (own, rule) = (strings(answer), strings(rule));
    let Some(first) = rule.first() else { return Ok(()) };
    let said = match name {
        "rationale" => rule.iter().any(|reason| own.contains(reason)),
        _ if facts::LISTS.contains(&name) => own.contains(first),
        _ => !own.is_empty(),
    };
    if said { Ok(()) } else { Err(format!("{first:?}")) }
}
