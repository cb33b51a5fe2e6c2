//! The facts in an answer, and whether the question shows them.
//!
//! A fact is something that prose cannot supply: a path, a number, an address, an ATT&CK technique, a name that is written like a
//! program and not like a word; and each finding that the answer lists, which must stand in the question as it is. Ratings that
//! an answer gives as numbers of their own are judgements, not facts.

use serde_json::Value;

/// The fields whose items are findings, written as the question writes them; `(high)` and what follows it is a judgement.
pub(crate) const LISTS: [&str; 2] = ["KEY_FINDINGS", "TOP_FINDINGS"];

/// The facts that `answer` states, in lower case.
pub fn stated(answer: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    collect(answer, "", &mut facts);
    facts.sort_unstable();
    facts.dedup();
    facts
}

/// The facts in a text of the field `field`, in lower case.
pub(crate) fn of_text(field: &str, text: &str) -> Vec<String> {
    let mut facts = Vec::new();
    of_string(text, field, &mut facts);
    facts
}

/// `network: tcp listen 22 (high)`: a finding with its rating in lower case, where `text` gives one.
pub(crate) fn rated(text: &str) -> Option<String> {
    rating(text).map(|place| {
        let end = text[place..].find(')').map_or(text.len(), |end| place + end + 1);
        text[..end].trim().to_lowercase()
    })
}

/// Whether `prompt`, in lower case, shows `fact`.
pub fn is_shown(fact: &str, prompt: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
    // 22 is not shown by 2222. Paths may go on.
    prompt.match_indices(fact).any(|(place, _)| {
        let (before, after) = (&prompt[..place], &prompt[place + fact.len()..]);
        let starts = !inside(fact.chars().next()) || !inside(before.chars().next_back());
        starts && (!inside(fact.chars().next_back()) || !inside(after.chars().next()))
    })
}

fn collect(value: &Value, key: &str, facts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, field)| collect(field, key, facts)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, facts)),
        Value::String(text) => of_string(text, key, facts),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn of_string(text: &str, key: &str, facts: &mut Vec<String>) {
    if LISTS.contains(&key) {
        facts.push(finding(text).to_lowercase());
    }
    facts.extend(text.split(separates).map(bare).filter(|word| is_fact(word)).map(str::to_lowercase));
}

/// `network: tcp LISTEN 22 (high): what it is` without the rating and what follows.
pub(crate) fn finding(text: &str) -> &str {
    rating(text).map_or(text, |place| &text[..place]).trim()
}

/// Where the rating of a finding begins: the last one, as a file may be called `x (low)`.
fn rating(text: &str) -> Option<usize> {
    let is_rating = |place: usize| {
        let name = text[place + 2..].split(')').next().unwrap_or_default();
        scan::Severity::ALL.iter().any(|severity| severity.name() == name)
    };
    text.rmatch_indices(" (").map(|(place, _)| place).find(|place| is_rating(*place))
}

fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '"' | '\'' | '=')
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c| matches!(c, '.' | ':' | '!' | '?'))
}

fn is_fact(word: &str) -> bool {
    let inner_dot = word.split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    inner_dot
        || word.chars().any(|c| c.is_ascii_digit() || matches!(c, '/' | '_' | '@'))
            && word.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_paths_numbers_and_techniques_are_facts_and_words_are_not() {
        let answer = json!({
            "EXECUTIVE_SUMMARY": "Web host with 104 findings: /tmp/chisel talks to 10.0.0.7 (T1105). First: isolate the host.",
            "RISK_ASSESSMENT": {"highest_risk": 99, "trend": "worse"},
        });
        assert_eq!(stated(&answer), ["/tmp/chisel", "10.0.0.7", "104", "t1105"]);
    }

    #[test]
    fn a_listed_finding_must_stand_in_the_question_as_it_is() {
        let prompt = "f1 processes: rsync as root; seen once before\nlistens: 2222".to_lowercase();
        let shown = |answer: Value| stated(&answer).iter().map(|fact| is_shown(fact, &prompt)).collect::<Vec<_>>();
        assert_eq!(shown(json!({"KEY_FINDINGS": ["processes: rsync as root (high): a copy runs"]})), [true]);
        assert_eq!(shown(json!({"TOP_FINDINGS": ["processes: chisel as root"]})), [false]);
        assert_eq!(shown(json!("port 2222")), [true]);
        assert_eq!(shown(json!("port 22")), [false]);
    }
}
