//! The closed subset of JSON Schema: the walker checks all keywords of it.

use serde_json::Value;

/// Keywords that constrain and are checked.
const CHECKED: [&str; 16] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "minItems",
    "maxItems",
    "items",
    "properties",
    "required",
    "additionalProperties",
    "oneOf",
    "anyOf",
];

/// Keywords that only tell.
const TELLING: [&str; 8] =
    ["default", "title", "description", "format", "examples", "$schema", "$comment", "deprecated"];

/// The first keyword in `schema` that the walker does not check.
pub(crate) fn unsupported(schema: &Value) -> Option<String> {
    let mut pending = vec![schema];
    while let Some(schema) = pending.pop() {
        let Value::Object(map) = schema else { continue };
        for (keyword, value) in map {
            if !CHECKED.contains(&keyword.as_str()) && !TELLING.contains(&keyword.as_str()) {
                return Some(keyword.clone());
            }
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => pending.extend(properties.values()),
                ("oneOf" | "anyOf", Value::Array(variants)) => pending.extend(variants),
                ("items" | "additionalProperties", value) => pending.push(value),
                _ => {}
            }
        }
    }
    None
}
