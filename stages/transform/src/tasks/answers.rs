//! The schema of each task's answers.
//!
//! Programs that hold a model to a schema write keys in the schema's order. So properties stand in the order in which answers have them,
//! which is the one that models are trained on, and not by name.

use schemars::{Schema, schema_for};
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::tasks::advice::{ActionAnswer, ActionsAnswer};
use crate::tasks::briefing::{RiskAssessment, SummaryAnswer};
use crate::tasks::correlation::{CorrelationAnswer, JoinedAnswer};
use crate::tasks::finding::FindingAnswer;
use crate::tasks::refine::RefineAnswer;
use crate::tasks::rule::{Condition, RefinedRule};
use crate::tasks::task::Task;
use crate::tasks::triage::TriageAnswer;

/// The order of keywords.
const KEYWORDS: [&str; 16] = [
    "$schema",
    "title",
    "description",
    "$ref",
    "type",
    "format",
    "const",
    "maximum",
    "minimum",
    "items",
    "oneOf",
    "properties",
    "additionalProperties",
    "required",
    "$defs",
    "x-guidance",
];

/// The schema of a task's answers; written out, its keys are in the order of answers.
#[derive(Clone, Debug)]
pub struct AnswerSchema {
    value: Value,
    name: String,
}

impl AnswerSchema {
    /// That of a task.
    pub fn of(task: Task) -> AnswerSchema {
        let mut value = schema(task).to_value();
        let name = value["title"].as_str().unwrap_or_default().to_owned();
        // The library `llguidance` writes no spaces then, as our answers have none. Others do not know the word.
        value["x-guidance"] = serde_json::json!({"whitespace_flexible": false});
        AnswerSchema { value, name }
    }

    /// As `schemas/answers/<task>.json` has it.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }
}

impl Serialize for AnswerSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Ordered { value: &self.value, part: Part::Schema(&self.name) }.serialize(serializer)
    }
}

/// The same without that order.
pub fn schema(task: Task) -> Schema {
    match task {
        Task::Finding => schema_for!(FindingAnswer),
        Task::Correlation => schema_for!(CorrelationAnswer),
        Task::Actions => schema_for!(ActionsAnswer),
        Task::Summary => schema_for!(SummaryAnswer),
        Task::Triage => schema_for!(TriageAnswer),
        Task::Refine => schema_for!(RefineAnswer),
    }
}

/// The fields of an answer's objects, in the order in which they are written.
fn fields_of(name: &str) -> &'static [&'static str] {
    match name {
        "FindingAnswer" => fields::<FindingAnswer>(),
        "JoinedAnswer" => fields::<JoinedAnswer>(),
        "ActionAnswer" => fields::<ActionAnswer>(),
        "SummaryAnswer" => fields::<SummaryAnswer>(),
        "RiskAssessment" => fields::<RiskAssessment>(),
        "TriageAnswer" => fields::<TriageAnswer>(),
        "RefinedRule" => fields::<RefinedRule>(),
        "Condition" => fields::<Condition>(),
        _ => &[],
    }
}

/// A part of a schema whose keys are written in their order.
struct Ordered<'a> {
    value: &'a Value,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    /// The schema of that name.
    Schema(&'a str),
    /// Its properties, in their order.
    Properties(&'static [&'static str]),
    /// Schemas by name.
    Definitions,
    Other,
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = match self.value {
            Value::Object(object) => object,
            Value::Array(items) => {
                return serializer.collect_seq(items.iter().map(|value| Ordered { value, part: Part::Other }));
            }
            plain => return plain.serialize(serializer),
        };
        let mut keys: Vec<&String> = object.keys().collect();
        let order = match self.part {
            Part::Properties(fields) => fields,
            Part::Definitions => &[],
            Part::Schema(_) | Part::Other => &KEYWORDS[..],
        };
        keys.sort_by_key(|key| order.iter().position(|own| own == key).unwrap_or(order.len()));
        let mut map = serializer.serialize_map(Some(keys.len()))?;
        for key in keys {
            let part = match (self.part, key.as_str()) {
                (Part::Schema(name), "properties") => Part::Properties(fields_of(name)),
                (Part::Schema(_), "$defs") => Part::Definitions,
                (Part::Definitions, name) => Part::Schema(name),
                _ => Part::Other,
            };
            map.serialize_entry(key, &Ordered { value: &object[key], part })?;
        }
        map.end()
    }
}

/// The fields of a struct in the order they are declared, which is that in which they are written.
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // What is asked for is all that matters: there is nothing to read.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// Takes down which fields a struct asks for.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("nothing to read"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing to read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}
