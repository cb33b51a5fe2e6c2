//! `pipe.yaml` as a JSON Schema for editors, from the same key tables that the reader uses.

use serde_json::{Value, json};

use super::keys;
use crate::plan::schema::object;
use crate::spec::keys::{Key, key};

/// The schema of the settings of a place with machines: its keys. Their values are checked when they are read.
fn machines(place: &str) -> Value {
    let keys = places::TYPES.iter().find(|(name, _)| *name == place).map_or(&[][..], |(_, keys)| *keys);
    let table: Vec<Key> = keys.iter().map(|(name, about)| key(name, about)).collect();
    object(&table, &[], |_| json!({}))
}

/// The schema of `pipe.yaml`.
pub fn config_schema() -> Value {
    let duration = json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"});
    let backend = json!({"anyOf": [
        {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,99}$", "description": "`local`, or the name of another backend"},
        backend_of_type(&duration),
    ]});
    let share = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1});
    let mut schema = object(keys::CONFIG, &[], |key| match key {
        "store" => json!({"type": "string", "minLength": 1}),
        "remote" => object(keys::REMOTE, &["url"], |key| match key {
            "share" | "path_style" => json!({"type": "boolean"}),
            "checksums" => json!({"enum": keys::CHECKSUMS}),
            _ => json!({"type": "string", "minLength": 1}),
        }),
        "cards" => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}},
        ]}),
        "backends" => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]{0,99}$", "not": {"const": "local"}},
            "additionalProperties": backend,
        }),
        "governor" => object(keys::GOVERNOR, &[], |key| match key {
            "jobs" => json!({"type": "integer", "minimum": 1, "maximum": keys::MAX_JOBS}),
            "throttle" => json!({"type": "boolean"}),
            _ => share.clone(),
        }),
        "verify" => json!({"enum": keys::VERIFY}),
        _ => object(keys::RUNS, &[], |_| json!({"type": "integer", "minimum": 1})),
    });
    // A file of comments, as `pipe init` writes it, says nothing.
    schema["type"] = json!(["object", "null"]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("pipe.yaml, the settings of a project of pipe");
    schema
}

/// A backend as `{TYPE: {..}}`. The settings of a type that a program serves are the program's, besides those that the engine reads.
fn backend_of_type(duration: &Value) -> Value {
    let shared = |key: &str| match key {
        "state" | "user_data" => json!({"type": "string", "minLength": 1}),
        "jobs" => json!({"type": "integer", "minimum": 1, "maximum": keys::MAX_JOBS}),
        _ => duration.clone(),
    };
    let mut backend = object(keys::BACKEND, &[], |key| match key {
        "local" => {
            let mut local = object(keys::LOCAL, &[], |_| json!({}));
            local["type"] = json!(["object", "null"]);
            local
        }
        "loopback" => object(keys::LOOPBACK, &["state"], shared),
        place => machines(place),
    });
    let mut program = object(keys::PROGRAM, &[], shared);
    program["type"] = json!(["object", "null"]);
    program["additionalProperties"] = json!(true);
    backend["additionalProperties"] = program;
    backend["propertyNames"] = json!({"pattern": "^[a-z][a-z0-9-]*$"});
    json!({"allOf": [backend], "minProperties": 1, "maxProperties": 1})
}
