//! The walk over value and schema together: types, lists and mappings; scalars and alternatives have files of their own.

use serde_json::{Map, Value};

use super::{alternatives, defaults, scalars};
use crate::spec::{Entry, Node, NodeValue, Problem, suggest};

/// Params written as `node`, against `schema`: complete and normalized, or as near as the problems allow.
pub(crate) fn resolve(node: &Node, schema: &Value, problems: &mut Vec<Problem>) -> Value {
    Walk { problems, path: Vec::new() }.check(node, schema)
}

/// One walk: its place, and its findings.
pub(super) struct Walk<'a> {
    pub problems: &'a mut Vec<Problem>,
    /// Keys and positions down to the current value.
    pub path: Vec<String>,
}

impl Walk<'_> {
    /// The value of `node` as `schema` wants it.
    pub(super) fn check(&mut self, node: &Node, schema: &Value) -> Value {
        if node.is_broken() {
            return Value::Null;
        }
        if let Some(variants) = alternatives::of(schema) {
            return self.alternatives(node, &variants);
        }
        if scalars::is_choice(schema) {
            return self.choice(node, schema);
        }
        if !scalars::accepts(schema, node) {
            self.wrong_type(node, &scalars::expected(schema));
            return Value::Null;
        }
        match &node.value {
            NodeValue::List(items) => self.list(node, items, schema),
            NodeValue::Map(entries) => self.mapping(node, entries, schema),
            NodeValue::Number(number) => self.number(node, number, schema),
            NodeValue::Text(text) => self.text(node, text, schema),
            NodeValue::Broken | NodeValue::Null | NodeValue::Bool(_) => node.to_json(),
        }
    }

    fn list(&mut self, node: &Node, items: &[Node], schema: &Value) -> Value {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        if let Some(least) = bound("minItems").filter(|least| (items.len() as u64) < *least) {
            self.report("param-value", node, format!("needs at least {least} items, has {}", items.len()), None);
        }
        if let Some(most) = bound("maxItems").filter(|most| items.len() as u64 > *most) {
            self.report("param-value", node, format!("takes at most {most} items, has {}", items.len()), None);
        }
        let any = Value::Bool(true);
        let item_schema = schema.get("items").unwrap_or(&any);
        let values = items.iter().enumerate().map(|(at, item)| self.within(at.to_string(), item, item_schema));
        Value::Array(values.collect())
    }

    fn mapping(&mut self, node: &Node, entries: &[Entry], schema: &Value) -> Value {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let additional = schema.get("additionalProperties").unwrap_or(&Value::Bool(true));
        let mut values = Map::new();
        for Entry { key, value } in entries {
            let name = key.value.as_str();
            let value_schema = match (properties.get(name), additional) {
                (Some(schema), _) => schema,
                (None, Value::Bool(false)) => {
                    let problem =
                        Problem::at("unknown-param", key.span, format!("{} has no param `{name}`", self.subject()));
                    let help = suggest::help(name, properties.keys().map(String::as_str));
                    self.problems.push(problem.label("unknown param").maybe_help(help));
                    continue;
                }
                (None, schema) => schema,
            };
            let value = self.within(name.to_owned(), value, value_schema);
            values.insert(name.to_owned(), value);
        }
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (name, schema) in properties {
            if values.contains_key(name) || entries.iter().any(|e| e.key.value == *name) {
                continue;
            }
            if let Some(value) = defaults::of(schema) {
                values.insert(name.clone(), value);
            } else if required.iter().any(|r| r.as_str() == Some(name)) && !misspelt(name, entries, properties) {
                let message = format!("{} needs the param `{name}`", self.subject());
                let problem = Problem::at("missing-param", node.span, message).label(format!("no `{name}`"));
                let summary = schema.get("description").and_then(Value::as_str);
                self.problems.push(problem.maybe_help(summary.map(|text| format!("`{name}`: {text}"))));
            }
        }
        Value::Object(values)
    }

    /// Checks `node` one step down.
    pub(super) fn within(&mut self, step: String, node: &Node, schema: &Value) -> Value {
        self.path.push(step);
        let value = self.check(node, schema);
        self.path.pop();
        value
    }

    /// The subject of a message.
    pub(super) fn subject(&self) -> String {
        if self.path.is_empty() { "`with`".to_owned() } else { format!("`{}`", self.path.join(".")) }
    }

    pub(super) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let help = scalars::type_help(node, expected);
        self.report("param-type", node, format!("must be {expected}, found {}", node.describe()), help);
    }

    /// A problem with the current value. It stands where the value was written; where it was put to use is shown beside it.
    pub(super) fn report(&mut self, code: &'static str, node: &Node, what: String, help: Option<String>) {
        let problem = Problem::at(code, node.span, format!("{} {what}", self.subject())).maybe_help(help);
        let problem = problem.label(if code == "param-type" { "of the wrong type" } else { "not possible" });
        self.problems.push(match node.via {
            Some(via) => problem.related(via, "used here"),
            None => problem,
        });
    }
}

/// Whether one of `entries` was meant to be `name`: then its absence is said once, at the slip.
fn misspelt(name: &str, entries: &[Entry], properties: &Map<String, Value>) -> bool {
    let strange = entries.iter().map(|e| e.key.value.as_str()).filter(|word| !properties.contains_key(*word));
    strange.into_iter().any(|word| suggest::nearest(word, properties.keys().map(String::as_str)) == Some(name))
}
