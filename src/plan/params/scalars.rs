//! Scalars against a schema: types, ranges, lengths, choices, and the form a number takes.

use serde_json::{Number, Value};

use super::walk::Walk;
use crate::spec::{Node, NodeValue, suggest};

/// Integers up to here are exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The types a schema names; empty = any.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether the kind of `node` is among the schema's types. An integer is also a number.
pub(super) fn accepts(schema: &Value, node: &Node) -> bool {
    let types = types(schema);
    let fits = |name: &&str| match (&node.value, *name) {
        (NodeValue::Null, "null") | (NodeValue::Bool(_), "boolean") | (NodeValue::Text(_), "string") => true,
        (NodeValue::List(_), "array") | (NodeValue::Map(_), "object") => true,
        (NodeValue::Number(_), "number") => true,
        (NodeValue::Number(number), "integer") => !number.is_f64(),
        _ => false,
    };
    types.is_empty() || types.iter().any(fits)
}

/// The schema's types in words.
pub(super) fn expected(schema: &Value) -> String {
    let word = |name: &str| match name {
        "null" => "null",
        "boolean" => "true or false",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping",
        "integer" => "a whole number",
        _ => "a number",
    };
    types(schema).into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// The right form of the value that was probably meant.
pub(super) fn type_help(node: &Node, expected: &str) -> Option<String> {
    match &node.value {
        NodeValue::Text(text) if expected.contains("true or false") => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
            _ => None,
        },
        NodeValue::Text(text) if expected.contains("number") => {
            let plain = text.replace('_', "");
            let is_number = matches!(crate::spec::scalar::resolve(&plain), Ok(NodeValue::Number(_)));
            is_number.then(|| format!("write it without {}: {plain}", if plain == *text { "quotes" } else { "`_`" }))
        }
        NodeValue::Number(number) if expected.contains("whole number") => {
            let value = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < EXACT)?;
            Some(format!("write {}", value as i64))
        }
        NodeValue::Number(_) | NodeValue::Bool(_) if expected.contains("text") => {
            Some("quote it to make it text".to_owned())
        }
        _ => None,
    }
}

/// Whether the schema lists its values.
pub(super) fn is_choice(schema: &Value) -> bool {
    schema.get("enum").is_some() || schema.get("const").is_some()
}

/// The values a schema lists.
pub(super) fn choices(schema: &Value) -> Vec<&Value> {
    match (schema.get("enum").and_then(Value::as_array), schema.get("const")) {
        (Some(values), _) => values.iter().collect(),
        (None, Some(value)) => vec![value],
        (None, None) => Vec::new(),
    }
}

impl Walk<'_> {
    pub(super) fn choice(&mut self, node: &Node, schema: &Value) -> Value {
        let choices = choices(schema);
        let given = node.to_json();
        let same = |choice: &&&Value| **choice == &given || (given.is_number() && choice.as_f64() == given.as_f64());
        if let Some(choice) = choices.iter().find(same) {
            return (*choice).clone();
        }
        let texts: Vec<String> =
            choices.iter().map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned)).collect();
        let names = || texts.iter().map(String::as_str);
        let near = node.as_text().and_then(|text| suggest::nearest(text, names()));
        let help = near.map(|name| format!("did you mean `{name}`?"));
        self.report(
            "param-value",
            node,
            format!("must be one of {}, found {}", suggest::list(names()), node.describe()),
            help,
        );
        Value::Null
    }

    pub(super) fn text(&mut self, node: &Node, text: &str, schema: &Value) -> Value {
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        if (text.chars().count() as u64) < least {
            let what =
                if least == 1 { "must not be empty".to_owned() } else { format!("needs at least {least} characters") };
            self.report("param-value", node, what, None);
        }
        node.to_json()
    }

    /// A number in range, in the schema's form: `1` given for a float is `1.0`, as the worker would write it.
    pub(super) fn number(&mut self, node: &Node, number: &Number, schema: &Value) -> Value {
        for (key, words, holds) in BOUNDS {
            if let Some(bound) = schema.get(*key).filter(|bound| !holds(number, bound)) {
                self.report("param-value", node, format!("must be {words} {bound}, found {number}"), None);
                return Value::Null;
            }
        }
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        let range = INTEGERS.iter().find(|(name, ..)| *name == format && !number.is_f64());
        if let Some((_, least, most)) = range.filter(|(_, least, most)| !(*least..=*most).contains(&whole(number))) {
            self.report("param-value", node, format!("must be from {least} to {most}, found {number}"), None);
            return Value::Null;
        }
        if !number.is_f64() && types(schema).contains(&"number") && !types(schema).contains(&"integer") {
            if whole(number).unsigned_abs() > EXACT as u128 {
                self.report(
                    "param-value",
                    node,
                    format!("must be a number that a float holds exactly, found {number}"),
                    None,
                );
                return Value::Null;
            }
            return normalized(whole(number) as f64, format);
        }
        match number.as_f64() {
            Some(value) if number.is_f64() => normalized(value, format),
            _ => Value::Number(number.clone()),
        }
    }
}

/// A float as the worker's type writes it: single precision widens to the double it is.
pub(super) fn normalized(value: f64, format: &str) -> Value {
    if format == "float" { Value::from(f64::from(value as f32)) } else { Value::from(value) }
}

type Holds = fn(&Number, &Value) -> bool;

const BOUNDS: &[(&str, &str, Holds)] = &[
    ("minimum", "at least", |n, bound| compare(n, bound).is_ge()),
    ("maximum", "at most", |n, bound| compare(n, bound).is_le()),
    ("exclusiveMinimum", "above", |n, bound| compare(n, bound).is_gt()),
    ("exclusiveMaximum", "below", |n, bound| compare(n, bound).is_lt()),
];

/// Ranges that schemars states only as a format.
const INTEGERS: [(&str, i128, i128); 10] = [
    ("uint8", 0, u8::MAX as i128),
    ("uint16", 0, u16::MAX as i128),
    ("uint32", 0, u32::MAX as i128),
    ("uint64", 0, u64::MAX as i128),
    ("uint", 0, u64::MAX as i128),
    ("int8", i8::MIN as i128, i8::MAX as i128),
    ("int16", i16::MIN as i128, i16::MAX as i128),
    ("int32", i32::MIN as i128, i32::MAX as i128),
    ("int64", i64::MIN as i128, i64::MAX as i128),
    ("int", i64::MIN as i128, i64::MAX as i128),
];

/// Exact between integers, as floats otherwise.
fn compare(number: &Number, bound: &Value) -> std::cmp::Ordering {
    use std::cmp::Ordering::Equal;
    match bound {
        Value::Number(bound) if !number.is_f64() && !bound.is_f64() => whole(number).cmp(&whole(bound)),
        _ => number.as_f64().partial_cmp(&bound.as_f64()).unwrap_or(Equal),
    }
}

fn whole(number: &Number) -> i128 {
    number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from)).unwrap_or(0)
}
