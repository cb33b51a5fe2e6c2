//! The most ordinary of several answers, value by value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::training::Trained;

/// The answer that is closest to all of `answers`: of objects, each value by itself; else the most frequent text.
pub fn answer(answers: &[&Trained]) -> Option<String> {
    let objects: Vec<&Value> = answers.iter().filter_map(|trained| trained.json.as_ref()).collect();
    if objects.len() == answers.len() && !objects.is_empty() && objects.iter().all(|json| json.is_object()) {
        return Some(value(&objects).to_string());
    }
    most_frequent(answers.iter().map(|trained| trained.text.clone()))
}

/// Objects key by key, as the first has them; numbers by their median, which has the least absolute error; all else by frequency.
fn value(values: &[&Value]) -> Value {
    if let Some(first) = values.first().and_then(|first| first.as_object())
        && values.iter().all(|value| value.is_object())
    {
        let field = |key: &String| {
            let of_key: Vec<&Value> = values.iter().filter_map(|value| value.get(key)).collect();
            (key.clone(), value(&of_key))
        };
        return Value::Object(first.keys().map(field).collect::<Map<_, _>>());
    }
    if let Some(median) = median(values) {
        return median;
    }
    let frequent = most_frequent(values.iter().map(|value| value.to_string()));
    frequent.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}

fn median(values: &[&Value]) -> Option<Value> {
    let mut numbers: Vec<(f64, &Value)> =
        values.iter().map(|value| Some((value.as_f64()?, *value))).collect::<Option<_>>()?;
    numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
    numbers.get(numbers.len().saturating_sub(1) / 2).map(|(_, value)| (*value).clone())
}

/// The most frequent text; of equally frequent ones the first by its letters.
fn most_frequent(texts: impl Iterator<Item = String>) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    // Of equal ones `max_by_key` takes the last.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], expected: &str) {
        let trained = |text: &&str| Trained {
            prompt: String::new(),
            text: (*text).to_owned(),
            json: serde_json::from_str(text).ok(),
        };
        let all: Vec<Trained> = texts.iter().map(trained).collect();
        assert_eq!(answer(&all.iter().collect::<Vec<_>>()).unwrap(), expected);
    }

    #[test]
    fn values_are_chosen_one_by_one() {
        check(
            &[r#"{"risk":9,"severity":"low"}"#, r#"{"risk":3,"severity":"high"}"#, r#"{"risk":5,"severity":"low"}"#],
            r#"{"risk":5,"severity":"low"}"#,
        );
        check(&["[]", "[1]", "[]"], "[]");
        check(&["b", "a"], "a");
        check(&[r#"{"n":{"a":1}}"#, r#"{"n":{"a":3}}"#, r#"{"n":{"a":2}}"#], r#"{"n":{"a":2}}"#);
    }
}
