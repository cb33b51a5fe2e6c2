//! The pipeline language as a JSON Schema, for editors: the same key tables the reader uses, and each card's ports and params.
//! Draft 7, which the YAML language server knows best. Names and wiring are beyond it; `pipe check` checks them.

use contract::{Card, Type};
use serde_json::{Map, Value, json};

use super::cards::{CardError, Cards};
use super::language::instances::RESERVED_AXES;
use super::wiring::interface::COMMAND;
use crate::spec::keys::{self, Key};

/// A name, as `spec::name` checks it.
const NAME: &str = "^[A-Za-z][A-Za-z0-9_-]{0,99}$";
/// `stage`, `stage.port`, `prefix/stage[axis=value].port`.
const REFERENCE: &str =
    "^([A-Za-z][A-Za-z0-9_-]*/)*[A-Za-z][A-Za-z0-9_-]*(\\[[^\\]]+\\])?(\\.[A-Za-z][A-Za-z0-9_-]*)?$";

/// The schema of a pipeline that may use `cards`.
pub fn pipeline_schema(cards: &Cards) -> Result<Value, CardError> {
    let cards: Vec<&Card> =
        cards.iter().map(|card| card.map(AsRef::as_ref).map_err(Clone::clone)).collect::<Result<_, _>>()?;
    let kinds: Vec<&str> = std::iter::once(COMMAND).chain(cards.iter().map(|card| card.kind.as_str())).collect();
    let mut cases = vec![command_case()];
    cases.extend(cards.iter().map(|card| card_case(card)));
    let stage = object(keys::STAGE, &["uses"], |key| match key {
        "uses" => json!({"enum": kinds}),
        "matrix" => json!({
            "type": "object", "minProperties": 1,
            "propertyNames": {"pattern": NAME, "not": {"enum": RESERVED_AXES}},
            "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, {"type": "string", "pattern": "^\\$\\{params\\.[^}]+\\}$"}]},
        }),
        "backend" => json!({"type": "string", "pattern": NAME}),
        "timeout" => time(),
        "retry" => json!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 100},
            object(keys::RETRY, &[], |key| match key {
                "attempts" => json!({"type": "integer", "minimum": 1, "maximum": 100}),
                "backoff" => time(),
                _ => json!({"type": "number", "minimum": 0, "maximum": 1}),
            }),
        ]}),
        "group" => json!({"anyOf": [
            {"type": "string", "pattern": NAME},
            {"type": "array", "items": {"type": "string", "pattern": NAME}},
        ]}),
        "when" => json!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^\\$\\{.+\\}$"}]}),
        "secrets" => json!({"type": "object", "additionalProperties": {"anyOf": [
            {"type": "string", "pattern": NAME},
            object(keys::SECRET_USE, &["use"], |key| match key {
                "use" => json!({"type": "string", "pattern": NAME}),
                _ => json!({"enum": ["variable", "file"]}),
            }),
        ]}}),
        "tools" => json!({"$ref": "#/definitions/tools"}),
        "sandbox" => json!({"type": "boolean"}),
        "shell" => shell(),
        "description" => json!({"type": "string"}),
        "run" => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
        ]}),
        "env" => json!({"anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
        ]}),
        "resources" => object(keys::RESOURCES, &[], |key| match key {
            "memory" | "gpu_memory" => json!({"anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[0-9.]+ ?(B|[kK]B|[MGT]B|[KMGT]iB)$"},
            ]}),
            "gpus" => json!({"type": "integer", "minimum": 0}),
            _ => json!({"type": "integer", "minimum": 1}),
        }),
        "in" => {
            json!({"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": {"$ref": "#/definitions/wire"}})
        }
        "out" => {
            json!({"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": {"$ref": "#/definitions/output"}})
        }
        _ => json!({"type": ["object", "null"]}),
    });
    let mut stage = stage;
    stage["allOf"] = Value::Array(cases);
    let output = object(keys::OUTPUT, &["path"], |key| match key {
        "type" => json!({"enum": Type::ALL.map(Type::name)}),
        _ => json!({"type": "string", "minLength": 1}),
    });
    let mut schema = object(keys::PIPELINE, &["pipeline"], |key| match key {
        "pipeline" => json!({"type": "string", "pattern": NAME}),
        "shell" => shell(),
        "params" => json!({"type": ["object", "null"], "propertyNames": {"pattern": NAME}}),
        "groups" => json!({
            "type": "object", "propertyNames": {"pattern": NAME},
            "additionalProperties": {"type": "integer", "minimum": 1},
        }),
        "secrets" => json!({
            "type": "object", "propertyNames": {"pattern": NAME},
            "additionalProperties": {"minProperties": 1, "maxProperties": 1, "allOf": [
                object(keys::SECRET, &[], |_| json!({"type": "string", "minLength": 1})),
            ]},
        }),
        "tools" => json!({"$ref": "#/definitions/tools"}),
        "include" => json!({
            "type": "object", "propertyNames": {"pattern": NAME},
            "additionalProperties": {"anyOf": [
                {"type": "string", "minLength": 1},
                object(keys::INCLUDE, &["file"], |key| match key {
                    "file" => json!({"type": "string", "minLength": 1}),
                    _ => json!({"type": "object"}),
                }),
            ]},
        }),
        _ => json!({
            "type": "object", "minProperties": 1, "propertyNames": {"pattern": NAME},
            "additionalProperties": {"$ref": "#/definitions/stage"},
        }),
    });
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("A pipeline of pipe");
    schema["anyOf"] = json!([{"required": ["stages"]}, {"required": ["include"]}]);
    schema["definitions"] = json!({
        "stage": stage,
        "wire": {"anyOf": [{"$ref": "#/definitions/one"}, {"type": "array", "items": {"$ref": "#/definitions/one"}}]},
        "one": {"anyOf": [{"type": "string", "pattern": REFERENCE}, object(keys::INPUT, &["path"], |key| match key {
            "follow" => json!({"type": "boolean"}),
            _ => json!({"type": "string", "minLength": 1}),
        })]},
        "output": {"anyOf": [{"type": "string", "minLength": 1}, output]},
        "tools": {"anyOf": [{"$ref": "#/definitions/tool"}, {"type": "array", "items": {"$ref": "#/definitions/tool"}}]},
        "tool": {"anyOf": [
            {"type": "string", "minLength": 1},
            object(keys::TOOL, &["path"], |_| json!({"type": "string", "minLength": 1})),
        ]},
    });
    Ok(schema)
}

/// A closed mapping with the keys of `table`.
pub(crate) fn object(table: &[Key], required: &[&str], schema_of: impl Fn(&str) -> Value) -> Value {
    let property = |key: &Key| {
        let mut schema = schema_of(key.name);
        schema["description"] = json!(key.summary);
        (key.name.to_owned(), schema)
    };
    let mut object = json!({
        "type": "object",
        "properties": Map::from_iter(table.iter().map(property)),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// `6h`, `1h30m`, `90s`, `250ms`.
fn time() -> Value {
    json!({"type": "string", "pattern": "^([0-9.]+(d|h|m|s|ms))+$"})
}

/// `bash`, `[python3]`.
fn shell() -> Value {
    json!({"anyOf": [
        {"enum": keys::SHELLS},
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
    ]})
}

fn case(kind: &str, then: Value) -> Value {
    json!({"if": {"properties": {"uses": {"const": kind}}, "required": ["uses"]}, "then": then})
}

fn command_case() -> Value {
    case(COMMAND, json!({"required": ["run"], "properties": {"with": false}}))
}

fn card_case(card: &Card) -> Value {
    let port = |port: &contract::InputPort| {
        let description = format!("{} ({})", port.summary, port.artifact);
        (port.name.clone(), json!({"allOf": [{"$ref": "#/definitions/wire"}], "description": description}))
    };
    let needed: Vec<&str> = card.inputs.iter().filter(|port| !port.optional).map(|port| port.name.as_str()).collect();
    let mut required = Vec::new();
    let mut inputs = json!({
        "type": "object",
        "properties": Map::from_iter(card.inputs.iter().map(port)),
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        inputs["required"] = json!(needed);
        required.push("in");
    }
    let with = or_interpolation(&card.params);
    if card.params.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty()) {
        required.push("with");
    }
    let mut then = json!({"properties": {"in": inputs, "with": with, "run": false, "out": false, "shell": false, "env": false, "sandbox": false, "tools": false}});
    if !required.is_empty() {
        then["required"] = json!(required);
    }
    case(&card.kind, then)
}

/// `schema`, with `"${params.x}"` allowed for every value in it.
fn or_interpolation(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut inner = map.clone();
    for (keyword, value) in &mut inner {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(|p| *p = or_interpolation(p)),
            ("oneOf" | "anyOf", Value::Array(variants)) => variants.iter_mut().for_each(|v| *v = within(v)),
            ("items" | "additionalProperties", value) if value.is_object() => *value = or_interpolation(value),
            _ => {}
        }
    }
    let mut outer = Map::new();
    for keyword in ["description", "default"] {
        if let Some(value) = inner.remove(keyword) {
            outer.insert(keyword.to_owned(), value);
        }
    }
    // Integers that are written as floats are refused by the planner; schemars' formats are not known to editors.
    inner.remove("format");
    outer.insert("anyOf".to_owned(), json!([inner, {"type": "string", "pattern": "^\\$\\{params\\.[^}]+\\}$"}]));
    Value::Object(outer)
}

/// The parts of an alternative: the alternative itself is already open to an interpolation.
fn within(variant: &Value) -> Value {
    let mut variant = variant.clone();
    if let Some(Value::Object(properties)) = variant.get_mut("properties") {
        properties.values_mut().for_each(|p| *p = or_interpolation(p));
    }
    variant
}
