//! Defaults: the values of params that the pipeline does not name.

use serde_json::{Map, Value};

use super::{alternatives, scalars};

/// The value of an absent param: its `default`, completed; null where null is allowed; nothing where it must be given.
pub(super) fn of(schema: &Value) -> Option<Value> {
    if let Some(default) = schema.get("default") {
        return Some(complete(default, schema));
    }
    let nullable = scalars::types(schema).contains(&"null") || alternatives::of(schema).is_some_and(|v| v.nullable());
    nullable.then_some(Value::Null)
}

/// A value from a card, completed with defaults, numbers in the schema's form.
pub(super) fn complete(value: &Value, schema: &Value) -> Value {
    if let Some(variants) = alternatives::of(schema) {
        return alternatives::complete(value, &variants);
    }
    match value {
        Value::Object(map) => {
            let none = Map::new();
            let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
            let mut complete_map: Map<String, Value> = map.clone();
            for (name, schema) in properties {
                let value = match map.get(name) {
                    Some(value) => Some(complete(value, schema)),
                    None => of(schema),
                };
                if let Some(value) = value {
                    complete_map.insert(name.clone(), value);
                }
            }
            Value::Object(complete_map)
        }
        Value::Array(items) => match schema.get("items") {
            Some(schema) => Value::Array(items.iter().map(|item| complete(item, schema)).collect()),
            None => value.clone(),
        },
        Value::Number(number) => {
            let types = scalars::types(schema);
            let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
            let is_float = number.is_f64() || (types.contains(&"number") && !types.contains(&"integer"));
            match number.as_f64() {
                Some(float) if is_float => scalars::normalized(float, format),
                _ => value.clone(),
            }
        }
        _ => value.clone(),
    }
}
