//! How much two answers have in common: F1 of sets and of multisets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// F1 of `found` against `truth`: twice what both have over what each has. Two empty ones are equal.
pub fn f1<T: Ord>(found: impl IntoIterator<Item = T>, truth: impl IntoIterator<Item = T>) -> f64 {
    let counted = |items: &mut dyn Iterator<Item = T>| {
        let mut counts: BTreeMap<T, usize> = BTreeMap::new();
        items.for_each(|item| *counts.entry(item).or_default() += 1);
        counts
    };
    let (found, truth) = (counted(&mut found.into_iter()), counted(&mut truth.into_iter()));
    let all: usize = found.values().chain(truth.values()).sum();
    let common: usize = found.iter().map(|(item, count)| truth.get(item).map_or(0, |other| *other.min(count))).sum();
    if all == 0 { 1.0 } else { 2.0 * common as f64 / all as f64 }
}

/// Words of a text, in lower case, without punctuation at their ends.
pub fn words(text: &str) -> Vec<String> {
    let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// The values of an answer, each with the keys that lead to it. Places in lists do not count.
pub fn values(answer: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(answer, "", &mut found);
    found
}

fn collect(value: &Value, keys: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, field)| collect(field, &format!("{keys}/{key}"), found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys, found)),
        scalar => found.push((keys.to_owned(), scalar.to_string())),
    }
}

/// The texts of a list field, over all items of a list of objects: `techniques` of every correlation.
pub fn texts<'a>(answer: &'a Value, field: &str) -> BTreeSet<&'a str> {
    groups(answer, field).into_iter().flatten().collect()
}

/// Which findings are joined: every pair of one group, a finding alone being a pair with itself.
pub fn joined<'a>(answer: &'a Value, field: &str) -> BTreeSet<(&'a str, &'a str)> {
    let pairs = |group: Vec<&'a str>| {
        let members: BTreeSet<&str> = group.into_iter().collect();
        let with = |a: &'a str| members.iter().filter(move |b| a <= **b).map(move |b| (a, *b)).collect::<Vec<_>>();
        members.iter().flat_map(|a| with(a)).collect::<Vec<_>>()
    };
    groups(answer, field).into_iter().flat_map(pairs).collect()
}

fn groups<'a>(answer: &'a Value, field: &str) -> Vec<Vec<&'a str>> {
    let items = answer.as_array().map_or(&[][..], Vec::as_slice);
    let lists = items.iter().filter_map(|item| item.get(field)?.as_array());
    lists.map(|list| list.iter().filter_map(Value::as_str).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn f1_counts_what_is_said_twice_twice() {
        assert_eq!(f1(["a", "a", "b"], ["a", "c"]), 0.4);
        assert_eq!(f1::<&str>([], []), 1.0);
        assert_eq!(f1(["a"], []), 0.0);
        assert_eq!(f1(words("The port, 22!"), words("the port 22")), 1.0);
    }

    #[test]
    fn joined_findings_are_pairs_within_groups() {
        let answer = json!([{"ids": ["f2", "f1"], "t": ["T1"]}, {"ids": ["f3"], "t": ["T1", "T2"]}]);
        let expected = [("f1", "f1"), ("f1", "f2"), ("f2", "f2"), ("f3", "f3")];
        assert_eq!(joined(&answer, "ids").into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(texts(&answer, "t").into_iter().collect::<Vec<_>>(), ["T1", "T2"]);
        assert_eq!(joined(&json!({"ids": ["f1"]}), "ids").len(), 0);
    }

    #[test]
    fn values_know_their_keys_and_not_their_places() {
        let (a, b) = (json!({"x": ["p", "q"], "y": {"z": 1}}), json!({"y": {"z": 1}, "x": ["q", "p"]}));
        assert_eq!(f1(values(&a), values(&b)), 1.0);
        assert_eq!(f1(values(&json!({"x": 1})), values(&json!({"y": 1}))), 0.0);
    }
}
