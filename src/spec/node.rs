//! The tree behind a YAML document: every value and every key knows where it was written.

use serde_json::{Map, Number, Value};

use super::span::{Span, Spanned};

/// A value.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Where it was written. A block collection has no mark of its own: the key that holds it stands for it.
    pub span: Span,
    /// Where an alias or an interpolation put it to use, if that is elsewhere.
    pub via: Option<Span>,
}

/// The value of a [`Node`].
#[derive(Clone, Debug)]
pub enum NodeValue {
    /// A value that a problem was reported for; no further problem is reported for it.
    Broken,
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that fits 64 bits, or a finite float. Written without fraction and exponent means integer.
    Number(Number),
    /// Any other scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order written, keys unique.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key, as text.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A node written at `span`.
    pub fn new(value: NodeValue, span: Span) -> Node {
        Node { value, span, via: None }
    }

    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Map(entries) => entries.iter().find(|e| e.key.value == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// Whether a problem was reported for it.
    pub fn is_broken(&self) -> bool {
        matches!(self.value, NodeValue::Broken)
    }

    /// The text, when this is text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A description for messages: `a mapping`.
    pub fn describe(&self) -> String {
        match &self.value {
            NodeValue::Broken | NodeValue::Null => "nothing".to_owned(),
            NodeValue::Bool(flag) => format!("`{flag}`"),
            NodeValue::Number(number) => format!("the number {number}"),
            NodeValue::Text(text) => format!("the text {:?}", shorten(text)),
            NodeValue::List(_) => "a list".to_owned(),
            NodeValue::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The value as JSON, as written.
    pub fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Broken | NodeValue::Null => Value::Null,
            NodeValue::Bool(flag) => Value::Bool(*flag),
            NodeValue::Number(number) => Value::Number(number.clone()),
            NodeValue::Text(text) => Value::String(text.clone()),
            NodeValue::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeValue::Map(entries) => {
                let pairs = entries.iter().map(|e| (e.key.value.clone(), e.value.to_json()));
                Value::Object(Map::from_iter(pairs))
            }
        }
    }

    /// About how many bytes a copy of it takes; budgets on copies count them.
    pub fn weight(&self) -> usize {
        let own = size_of::<Node>();
        match &self.value {
            NodeValue::Text(text) => own + text.len(),
            NodeValue::List(items) => own + items.iter().map(Node::weight).sum::<usize>(),
            NodeValue::Map(entries) => {
                own + entries.iter().map(|e| size_of::<Entry>() + e.key.value.len() + e.value.weight()).sum::<usize>()
            }
            NodeValue::Broken | NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(_) => own,
        }
    }
}

/// The first characters of a text that may be long.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
