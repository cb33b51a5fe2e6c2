//! The sizes of a model that is still to be made, as the stage which will make it foresees them: what kinds tell each other of an output of
//! type `hf-model`.
//!
//! The facts are those of `config.json`. Vocabulary and context follow from the tokens, and are null until those are there.

use std::path::Path;

use serde_json::Value;

use crate::{Config, LlamaError, LlamaErrorKind};

/// Keys that may be null.
const LATER: [&str; 2] = ["vocab_size", "max_position_embeddings"];

/// Said of adapters without a model.
const ADAPTERS: &str = "adapters_only";

/// A model's sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeseenConfig {
    /// The config. Where it is not whole, vocabulary and context are 1.
    pub config: Config,
    /// Whether vocabulary and context are known.
    pub whole: bool,
}

impl ForeseenConfig {
    /// What is told of it. `adapters_only`: the output will hold what was trained beside a model and not the model.
    pub fn facts(&self, adapters_only: bool) -> Value {
        let mut facts = self.config.to_json();
        if !self.whole {
            LATER.into_iter().for_each(|key| facts[key] = Value::Null);
        }
        if adapters_only {
            facts[ADAPTERS] = true.into();
        }
        facts
    }

    /// From what was told; refuses adapters without a model.
    pub fn read(facts: &Value) -> Result<ForeseenConfig, LlamaError> {
        let wrong = |kind: LlamaErrorKind| LlamaError { path: Path::new("the foreseen model").to_owned(), kind };
        if facts[ADAPTERS] == true {
            return Err(wrong(LlamaErrorKind::Adapters));
        }
        let whole = LATER.iter().all(|key| !facts[*key].is_null());
        let mut facts = facts.clone();
        if !whole {
            LATER.into_iter().for_each(|key| facts[key] = 1.into());
        }
        Ok(ForeseenConfig { config: Config::from_json(facts).map_err(wrong)?, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let document = serde_json::json!({
            "model_type": "llama", "hidden_size": 96, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": 500, "max_position_embeddings": 64, "rms_norm_eps": 1e-5
        });
        Config::from_json(document).unwrap()
    }

    #[test]
    fn what_is_told_is_understood_and_what_is_not_known_is_null() {
        let whole = ForeseenConfig { config: config(), whole: true };
        assert_eq!(ForeseenConfig::read(&whole.facts(false)).unwrap(), whole);
        let facts = ForeseenConfig { whole: false, ..whole }.facts(false);
        assert_eq!((&facts["vocab_size"], &facts["hidden_size"]), (&Value::Null, &96.into()));
        let read = ForeseenConfig::read(&facts).unwrap();
        assert!(!read.whole);
        assert_eq!(read.config, Config { vocab_size: 1, max_position_embeddings: 1, ..config() });
    }

    #[test]
    fn adapters_without_a_model_and_facts_of_something_else_are_refused() {
        let whole = ForeseenConfig { config: config(), whole: true };
        let error = ForeseenConfig::read(&whole.facts(true)).unwrap_err().to_string();
        assert!(error.contains("the foreseen model: there are adapters without their base"), "{error}");
        assert!(ForeseenConfig::read(&serde_json::json!({"rows": 3})).is_err());
    }
}
