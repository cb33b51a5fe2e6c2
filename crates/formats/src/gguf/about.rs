//! Who made a model, under which name and licence: the keys `general.*` of a GGUF file that people read.

use std::path::Path;

use super::Value;
use crate::{Config, ModelSource};

/// What a file says about its model. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: Option<String>,
    /// Its author.
    pub author: Option<String>,
    /// Its licence, as SPDX or Hugging Face name it: `apache-2.0`.
    pub license: Option<String>,
}

impl About {
    /// What `source` itself says: in its metadata, or in the head of the model card beside it.
    pub fn of(source: &ModelSource) -> About {
        let known = |key| source.gguf_value(key).and_then(Value::text).map(str::to_owned);
        let card = Card::beside(source.path());
        About {
            name: known("general.name").or(card.name),
            author: known("general.author").or(card.author),
            license: known("general.license").or(card.license),
        }
    }

    /// Itself, with what `other` says in its stead.
    pub fn overridden_by(self, other: About) -> About {
        About {
            name: other.name.or(self.name),
            author: other.author.or(self.author),
            license: other.license.or(self.license),
        }
    }

    /// The keys, and the size of a model of `config`.
    pub fn metadata(&self, config: &Config) -> Vec<(String, Value)> {
        let texts = [
            ("general.name", self.name.clone()),
            ("general.author", self.author.clone()),
            ("general.license", self.license.clone()),
            ("general.size_label", Some(size_label(config.parameters()))),
        ];
        texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::String(text?)))).collect()
    }
}

/// `135M`, `8.0B`: as llama.cpp's converter rounds it.
fn size_label(parameters: i64) -> String {
    let (unit, letter) = match parameters {
        1_000_000_000_000.. => (1e12, 'T'),
        1_000_000_000.. => (1e9, 'B'),
        1_000_000.. => (1e6, 'M'),
        _ => (1e3, 'K'),
    };
    let scaled = parameters as f64 / unit;
    let decimals = usize::from(scaled.round() < 10.0);
    format!("{scaled:.decimals$}{letter}")
}

/// The YAML head of a model card, as far as it matters here: plain texts at its top level.
#[derive(Default)]
struct Card {
    name: Option<String>,
    author: Option<String>,
    license: Option<String>,
}

impl Card {
    /// That of the `README.md` in `directory`. A model without one has no card.
    fn beside(directory: &Path) -> Card {
        let text = std::fs::read_to_string(directory.join("README.md")).unwrap_or_default();
        let Some((head, _)) = text.strip_prefix("---\n").and_then(|text| text.split_once("\n---")) else {
            return Card::default();
        };
        let value = |key: &str| {
            let text = head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            let text = text.trim().trim_matches(['"', '\'']);
            (!text.is_empty()).then(|| text.to_owned())
        };
        Card { name: value("model_name"), author: value("model_creator"), license: value("license") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_as_the_converter_of_llama_cpp_rounds_them() {
        let labels = [(134_515_008, "135M"), (8_030_261_248, "8.0B"), (1_235_814_400, "1.2B"), (5_200, "5.2K")];
        for (parameters, label) in labels {
            assert_eq!(size_label(parameters), label);
        }
    }

    #[test]
    fn the_head_of_a_model_card_is_read() {
        let root = tempfile::tempdir().unwrap();
        let text = "---\nlicense: apache-2.0\ntags:\n- a\nmodel_name: \"Small one\"\n---\nlicense: none\n";
        std::fs::write(root.path().join("README.md"), text).unwrap();
        let card = Card::beside(root.path());
        assert_eq!(
            (card.license.as_deref(), card.name.as_deref(), card.author),
            (Some("apache-2.0"), Some("Small one"), None)
        );
    }
}
