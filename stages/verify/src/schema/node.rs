//! A schema in the form that the walk asks.

use serde_json::{Map, Value};

/// The form of one value. An absent keyword asks nothing.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) form: Option<Form>,
    /// `const` and `enum`: strings, and null where it is among them.
    pub(super) words: Option<Words>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) properties: Vec<(Box<str>, Node)>,
    pub(super) required: Vec<Box<str>>,
    /// `additionalProperties: false`.
    pub(super) closed: bool,
    pub(super) items: Option<Box<Node>>,
    /// `oneOf`; empty where absent.
    pub(super) one_of: Vec<Node>,
}

/// `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// The values that are allowed.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) strings: Vec<Box<str>>,
    pub(super) null: bool,
}

/// Required keys that a walk can tick off.
const MOST_REQUIRED: usize = 64;

impl Form {
    /// As written in a schema and in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Form::Object => "object",
            Form::Array => "array",
            Form::String => "string",
            Form::Integer => "integer",
            Form::Number => "number",
            Form::Boolean => "boolean",
        }
    }

    fn named(name: &str) -> Option<Form> {
        [Form::Object, Form::Array, Form::String, Form::Integer, Form::Number, Form::Boolean]
            .into_iter()
            .find(|form| form.name() == name)
    }
}

impl Node {
    pub(super) fn compile(schema: &Value) -> Result<Node, String> {
        let schema = schema.as_object().ok_or_else(|| format!("{schema} is no schema"))?;
        let mut node = Node::default();
        for (keyword, value) in schema {
            node.take(keyword, value).map_err(|error| format!("`{keyword}`: {error}"))?;
        }
        Ok(node)
    }

    fn take(&mut self, keyword: &str, value: &Value) -> Result<(), String> {
        let unexpected = || format!("{value} is not understood");
        match keyword {
            "$schema" | "$id" | "title" | "description" => {}
            "type" => self.form = Some(value.as_str().and_then(Form::named).ok_or_else(unexpected)?),
            "const" => self.words = Some(Words::of(std::slice::from_ref(value))?),
            "enum" => self.words = Some(Words::of(value.as_array().ok_or_else(unexpected)?)?),
            "minimum" => self.minimum = Some(value.as_f64().ok_or_else(unexpected)?),
            "maximum" => self.maximum = Some(value.as_f64().ok_or_else(unexpected)?),
            "properties" => self.properties = properties(value.as_object().ok_or_else(unexpected)?)?,
            "required" => self.required = strings(value.as_array().ok_or_else(unexpected)?)?,
            "additionalProperties" => self.closed = !value.as_bool().ok_or_else(unexpected)?,
            "items" => self.items = Some(Box::new(Node::compile(value)?)),
            "oneOf" => {
                let branches = value.as_array().ok_or_else(unexpected)?;
                self.one_of = branches.iter().map(Node::compile).collect::<Result<_, _>>()?;
            }
            _ => return Err("this keyword is not understood".to_owned()),
        }
        Ok(())
    }

    /// The schema of a key's value, if there is one; `hint` is the place after that of the last key found, since
    /// documents are written in the order of the schema mostly.
    pub(super) fn property(&self, key: &str, hint: &mut usize) -> Option<&Node> {
        let found = |place: usize| self.properties.get(place).filter(|(name, _)| **name == *key).map(|_| place);
        let place = found(*hint).or_else(|| self.properties.iter().position(|(name, _)| **name == *key))?;
        *hint = place + 1;
        Some(&self.properties[place].1)
    }
}

impl Words {
    fn of(values: &[Value]) -> Result<Words, String> {
        let null = values.contains(&Value::Null);
        let others: Vec<Value> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        Ok(Words { strings: strings(&others)?, null })
    }
}

fn properties(map: &Map<String, Value>) -> Result<Vec<(Box<str>, Node)>, String> {
    map.iter().map(|(key, schema)| Ok((key.as_str().into(), Node::compile(schema)?))).collect()
}

fn strings(values: &[Value]) -> Result<Vec<Box<str>>, String> {
    if values.len() > MOST_REQUIRED {
        return Err(format!("more than {MOST_REQUIRED}"));
    }
    values.iter().map(|value| value.as_str().map(Box::from).ok_or_else(|| format!("{value} is no string"))).collect()
}
