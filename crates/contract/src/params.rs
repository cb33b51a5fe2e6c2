//! Params: how a stage's Rust type becomes the schema on its card, and how a job's params are checked on arrival.
//!
//! The schema stays within a closed subset of JSON Schema 2020-12 that the engine's one walker understands: `type` (also a
//! list with `null`), `enum`, `const`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `minLength`,
//! `minItems`, `maxItems`, `items`, `properties`, `required`, `additionalProperties`, `default`, and `oneOf`/`anyOf` for tag-keyed alternatives and
//! nullable objects. No `$ref`: subschemas are written in place.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::StageError;

/// The schema of a kind without params.
pub fn no_params() -> Value {
    serde_json::json!({"type": "object", "properties": {}, "additionalProperties": false})
}

/// The schema of `P`, as it stands on a card.
pub fn schema_of<P: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<P>().to_value();
    if let Value::Object(map) = &mut schema {
        map.remove("title");
        map.remove("description");
    }
    schema
}

/// Reads `params` into `P` and refuses them unless writing `P` gives the same document back: the engine filled every
/// default from the card, so a difference means that card and code have drifted apart.
pub fn read<P: DeserializeOwned + Serialize>(params: &Value) -> Result<P, StageError> {
    let typed: P = serde_json::from_value(params.clone())
        .map_err(|e| StageError::bug(format!("params do not fit this worker: {e}")).help(STALE))?;
    let back =
        serde_json::to_value(&typed).map_err(|e| StageError::bug(format!("params cannot be written back: {e}")))?;
    if back != *params {
        return Err(
            StageError::bug(format!("params read back differently: got {params}, understood {back}")).help(STALE)
        );
    }
    Ok(typed)
}

const STALE: &str = "the card in schemas/cards is older or newer than the worker; rebuild both";

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Example {
        rate: f64,
        steps: Option<u32>,
    }

    impl Default for Example {
        fn default() -> Self {
            Example { rate: 0.5, steps: None }
        }
    }

    #[test]
    fn schema_carries_defaults_and_forbids_unknown_keys() {
        let schema = schema_of::<Example>();
        assert_eq!(schema["properties"]["rate"]["default"], 0.5);
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema.get("$defs").is_none());
    }

    #[test]
    fn a_param_that_the_engine_did_not_fill_is_refused() {
        let full = serde_json::json!({"rate": 0.25, "steps": null});
        assert_eq!(read::<Example>(&full).unwrap().rate, 0.25);
        let drifted = serde_json::json!({"rate": 0.25});
        assert!(read::<Example>(&drifted).unwrap_err().message.contains("read back differently"));
        assert!(read::<Example>(&serde_json::json!({"rat": 1.0})).is_err());
    }
}
