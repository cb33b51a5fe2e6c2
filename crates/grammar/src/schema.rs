//! A JSON schema as a grammar of compact answers with their keys in the schema's order.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::json::Json;
use crate::number::Range;

/// A rule's place in a grammar.
pub(crate) type RuleId = usize;

/// Fields that an object may have.
const FIELDS: usize = 60;

/// What says nothing about an answer, or nothing that the grammar does not say anyway.
const SILENT: [&str; 7] = ["$schema", "$defs", "title", "description", "format", "default", "x-guidance"];

/// The form of an answer.
#[derive(Clone, Debug)]
pub struct Grammar {
    pub(crate) rules: Vec<Rule>,
    pub(crate) root: RuleId,
}

/// The form of a value.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// An object with these fields, in this order.
    Object(Vec<Field>),
    /// A list of any length.
    List(RuleId),
    /// Any string.
    Text,
    /// A number.
    Number(Range),
    /// One of these texts, in quotes.
    OneOf(Vec<Vec<u8>>),
}

/// A field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// `"name":`.
    pub key: Vec<u8>,
    pub rule: RuleId,
    pub required: bool,
}

/// Why there is no grammar of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GrammarError {
    /// It is no JSON.
    #[error("the schema is no JSON: {0}")]
    Json(String),
    /// It has a keyword, or a value of one, that would not be heeded.
    #[error("the schema says {keyword} at {place:?}, which cannot be held to")]
    Unheeded {
        /// The keyword.
        keyword: String,
        /// Where.
        place: String,
    },
    /// A reference leads nowhere.
    #[error("the schema has no {0}")]
    Reference(String),
}

impl Grammar {
    /// That of a schema.
    pub fn of(schema: &str) -> Result<Grammar, GrammarError> {
        let root: Json = serde_json::from_str(schema).map_err(|e| GrammarError::Json(e.to_string()))?;
        let mut compiler = Compiler { root: &root, rules: Vec::new(), references: BTreeMap::new() };
        let place = compiler.reserve();
        compiler.fill(place, &root, "")?;
        Ok(Grammar { rules: compiler.rules, root: place })
    }

    pub(crate) fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id]
    }
}

struct Compiler<'a> {
    root: &'a Json,
    rules: Vec<Rule>,
    /// Rules of references, so that a schema may refer to itself.
    references: BTreeMap<String, RuleId>,
}

impl<'a> Compiler<'a> {
    fn reserve(&mut self) -> RuleId {
        self.rules.push(Rule::Text);
        self.rules.len() - 1
    }

    fn compile(&mut self, schema: &'a Json, place: &str) -> Result<RuleId, GrammarError> {
        let Some(reference) = schema.get("$ref").and_then(Json::text) else {
            let id = self.reserve();
            self.fill(id, schema, place)?;
            return Ok(id);
        };
        if let Some((keyword, _)) =
            schema.fields().iter().find(|(key, _)| key != "$ref" && !SILENT.contains(&key.as_str()))
        {
            return Err(unheeded(keyword, place));
        }
        if let Some(known) = self.references.get(reference) {
            return Ok(*known);
        }
        let target = reference.strip_prefix("#/$defs/").and_then(|name| self.root.get("$defs")?.get(name));
        let target = target.ok_or_else(|| GrammarError::Reference(reference.to_owned()))?;
        let id = self.reserve();
        self.references.insert(reference.to_owned(), id);
        self.fill(id, target, reference)?;
        Ok(id)
    }

    fn fill(&mut self, id: RuleId, schema: &'a Json, place: &str) -> Result<(), GrammarError> {
        let heeded: &[&str] = match schema.get("type").and_then(Json::text) {
            Some("object") => &["type", "properties", "required", "additionalProperties"],
            Some("array") => &["type", "items"],
            Some("string") => &["type"],
            Some("integer" | "number") => &["type", "minimum", "maximum"],
            Some(other) => return Err(unheeded(&format!("type {other}"), place)),
            None => &["oneOf"],
        };
        let other = |(key, _): &&(String, Json)| !heeded.contains(&key.as_str()) && !SILENT.contains(&key.as_str());
        if let Some((keyword, _)) = schema.fields().iter().find(other) {
            return Err(unheeded(keyword, place));
        }
        self.rules[id] = match schema.get("type").and_then(Json::text) {
            Some("object") => self.object(schema, place)?,
            Some("array") => {
                let items = schema.get("items").ok_or_else(|| unheeded("no items", place))?;
                Rule::List(self.compile(items, &format!("{place}/items"))?)
            }
            Some("string") => Rule::Text,
            Some(name) => {
                let bound = |key: &str| schema.get(key).and_then(Json::number);
                Rule::Number(Range::new(name == "integer", bound("minimum"), bound("maximum")))
            }
            None => one_of(schema, place)?,
        };
        Ok(())
    }

    fn object(&mut self, schema: &'a Json, place: &str) -> Result<Rule, GrammarError> {
        let fields = schema.get("properties").map_or(&[][..], Json::fields);
        if schema.get("additionalProperties") != Some(&Json::Bool(false)) || fields.len() > FIELDS {
            return Err(unheeded("other properties than its own", place));
        }
        let required: Vec<&str> =
            schema.get("required").map_or(&[][..], Json::items).iter().filter_map(Json::text).collect();
        let compiled = fields.iter().map(|(name, of)| {
            let rule = self.compile(of, &format!("{place}/{name}"))?;
            Ok(Field { key: [quoted(name), b":".to_vec()].concat(), rule, required: required.contains(&name.as_str()) })
        });
        Ok(Rule::Object(compiled.collect::<Result<_, GrammarError>>()?))
    }
}

/// Alternatives that are texts.
fn one_of(schema: &Json, place: &str) -> Result<Rule, GrammarError> {
    let alternatives = schema.get("oneOf").map_or(&[][..], Json::items);
    let text = |one: &Json| {
        let known = ["const", "type"];
        let other =
            one.fields().iter().find(|(key, _)| !known.contains(&key.as_str()) && !SILENT.contains(&key.as_str()));
        match (other, one.get("const").and_then(Json::text)) {
            (None, Some(text)) => Ok(quoted(text)),
            _ => Err(unheeded("oneOf", place)),
        }
    };
    let texts = alternatives.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    if texts.is_empty() || texts.len() > FIELDS { Err(unheeded("no type", place)) } else { Ok(Rule::OneOf(texts)) }
}

fn unheeded(keyword: &str, place: &str) -> GrammarError {
    GrammarError::Unheeded { keyword: keyword.to_owned(), place: place.to_owned() }
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a text is JSON")
}
