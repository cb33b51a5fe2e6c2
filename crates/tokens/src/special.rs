//! The special tokens of a tokenizer by their roles, as the small files beside a `tokenizer.json` name them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys under which `tokenizer_config.json` names a token, which are variables of chat templates too.
const NAMES: [&str; 7] = ["bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"];

/// The texts of special tokens by the names that chat templates have for them: `eos_token` and the like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenNames(BTreeMap<&'static str, String>);

impl TokenNames {
    /// The names in a `tokenizer_config.json`: each a text, or an object that holds it.
    pub fn of(config: &Value) -> TokenNames {
        let text = |name: &&'static str| {
            let value = config.get(*name)?;
            let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some((*name, text.to_owned()))
        };
        TokenNames(NAMES.iter().filter_map(text).collect())
    }

    /// The text of the token called `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, text)| (*name, text.as_str()))
    }
}

/// The chat template in a `tokenizer_config.json`, where older models have it: a text, or several by name.
pub fn template_in(config: &Value) -> Option<&str> {
    let template = config.get("chat_template")?;
    let named = |wanted: &str| {
        let all = template.as_array()?;
        all.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(wanted))?.get("template")?.as_str()
    };
    template.as_str().or_else(|| named("default"))
}

/// Token ids in a config: a number, a list of them, or nothing.
pub fn ids(value: Option<&Value>) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(id).collect(),
        Some(one) => id(one).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_and_templates_are_found_in_the_spellings_of_all_versions() {
        let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null});
        let names = TokenNames::of(&config);
        assert_eq!(names.iter().collect::<Vec<_>>(), [("bos_token", "<s>"), ("eos_token", "</s>")]);
        assert_eq!(template_in(&json!({"chat_template": "a"})), Some("a"));
        let several =
            json!({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]});
        assert_eq!(template_in(&several), Some("d"));
        assert_eq!(template_in(&json!({})), None);
        assert_eq!(
            (ids(Some(&json!(2))), ids(Some(&json!([2, 3]))), ids(Some(&json!(null)))),
            (vec![2], vec![2, 3], vec![])
        );
        assert_eq!(ids(Some(&json!(-1))), [0; 0]);
    }
}
