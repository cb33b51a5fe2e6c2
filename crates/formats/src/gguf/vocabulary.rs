//! The tokenizer's metadata, from `tokenizer.json` and its companions.
//!
//! llama.cpp splits text by a named rule. Its converter guesses the name from a hash of sample output and so refuses every
//! vocabulary it has not seen; here the splitting pattern, which decides it, chooses it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::StageError;
use dataset::words::LLAMA_3_SPLIT;
use serde::Deserialize;
use serde_json::Value as Json;

use super::Value;

/// Ends a turn in chat templates of the Llama 3 family.
const END_OF_TURN: &str = "<|eot_id|>";

/// Ends a message of a turn that goes on, in chat templates of Llama 3.1.
const END_OF_MESSAGE: &str = "<|eom_id|>";

/// Numbers llama.cpp gives to kinds of token.
mod token_type {
    pub(super) const NORMAL: i32 = 1;
    pub(super) const CONTROL: i32 = 3;
    pub(super) const USER_DEFINED: i32 = 4;
    pub(super) const UNUSED: i32 = 5;
}

/// A tokenizer that cannot be put into a GGUF file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct VocabularyError {
    /// The file.
    pub path: PathBuf,
    /// The defect.
    pub kind: VocabularyErrorKind,
}

/// The defect of a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum VocabularyErrorKind {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is not the JSON expected.
    #[error("not a tokenizer: {0}")]
    Json(#[from] serde_json::Error),
    /// It is not byte-level BPE.
    #[error("the tokenizer's model is {0}, only BPE is supported")]
    Model(String),
    /// It splits text in a way that has no name in llama.cpp.
    #[error("text is split in a way that llama.cpp has no name for: {0}")]
    Split(String),
    /// It has more tokens than the model has embeddings.
    #[error("token {id} lies beyond the model's vocabulary of {vocabulary}")]
    Size {
        /// The token.
        id: u32,
        /// The model's vocabulary.
        vocabulary: i64,
    },
}

impl From<VocabularyError> for StageError {
    fn from(error: VocabularyError) -> StageError {
        StageError::invalid_input(error.to_string()).help(
            "a GGUF needs byte-level BPE that splits text as Llama 3 or SmolLM does; `tokenize` trains such a one",
        )
    }
}

/// Metadata of the tokenizer in `directory`, for a model of `vocabulary` embeddings whose texts end with one of `ends`.
pub fn metadata(directory: &Path, vocabulary: i64, ends: &[i64]) -> Result<Vec<(String, Value)>, VocabularyError> {
    let path = directory.join("tokenizer.json");
    let tokenizer: TokenizerFile = read_json(&path)?;
    let config_path = directory.join("tokenizer_config.json");
    let config: TokenizerConfig =
        if config_path.exists() { read_json(&config_path)? } else { TokenizerConfig::default() };
    let template_path = directory.join("chat_template.jinja");
    let template = match template_path.exists() {
        true => Some(std::fs::read_to_string(&template_path).map_err(at(&template_path))?),
        false => config.chat_template.clone(),
    };
    let mut all = tokenizer.metadata(vocabulary).map_err(at(&path))?;
    let named = |token: &Option<Token>| token.as_ref().and_then(|token| tokenizer.id(token.content()));
    let ends: Vec<u32> = end_tokens(directory, ends)?;
    let eos = named(&config.eos_token).or_else(|| ends.first().copied());
    // llama.cpp ends generation at each of the three. A list of end tokens has no key, so the second is the end of a turn.
    let eom = tokenizer.id(END_OF_MESSAGE);
    let mut others = ends.iter().copied().filter(|id| Some(*id) != eos && Some(*id) != eom);
    let eot = tokenizer.id(END_OF_TURN).or_else(|| others.next());
    let eom = eom.or_else(|| others.find(|id| Some(*id) != eot));
    let ids = [
        ("bos", named(&config.bos_token)),
        ("eos", eos),
        ("padding", named(&config.pad_token)),
        ("eot", eot),
        ("eom", eom),
    ];
    for (role, id) in ids {
        all.extend(id.map(|id| (format!("tokenizer.ggml.{role}_token_id"), Value::U32(id))));
    }
    all.extend(template.map(|text| ("tokenizer.chat_template".to_owned(), Value::String(text))));
    Ok(all)
}

/// The tokens that end generation: those of `generation_config.json`, then those of the model's config.
fn end_tokens(directory: &Path, config: &[i64]) -> Result<Vec<u32>, VocabularyError> {
    let path = directory.join("generation_config.json");
    let generation: Json = if path.exists() { read_json(&path)? } else { Json::Null };
    let listed = match &generation["eos_token_id"] {
        Json::Array(ids) => ids.iter().filter_map(Json::as_i64).collect(),
        one => Vec::from_iter(one.as_i64()),
    };
    let mut ends: Vec<u32> = Vec::new();
    for id in listed.iter().chain(config).filter_map(|id| u32::try_from(*id).ok()) {
        if !ends.contains(&id) {
            ends.push(id);
        }
    }
    Ok(ends)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, VocabularyError> {
    let bytes = std::fs::read(path).map_err(at(path))?;
    serde_json::from_slice(&bytes).map_err(at(path))
}

fn at<K: Into<VocabularyErrorKind>>(path: &Path) -> impl FnOnce(K) -> VocabularyError {
    let path = path.to_owned();
    move |kind| VocabularyError { path, kind: kind.into() }
}

/// `tokenizer.json`, as far as it matters here.
#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pre_tokenizer: Json,
    #[serde(default)]
    post_processor: Json,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: String,
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
}

/// A pair since tokenizers 0.20, `"a b"` before.
#[derive(Deserialize)]
#[serde(try_from = "Json")]
struct Merge(String);

impl TryFrom<Json> for Merge {
    type Error = serde_json::Error;

    fn try_from(json: Json) -> Result<Merge, serde_json::Error> {
        if let Json::String(text) = json {
            return Ok(Merge(text));
        }
        let [left, right]: [String; 2] = serde_json::from_value(json)?;
        Ok(Merge(format!("{left} {right}")))
    }
}

/// `tokenizer_config.json`, as far as it matters here.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    pad_token: Option<Token>,
    chat_template: Option<String>,
}

/// A token's text, or an object that holds it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Token(Json);

impl Token {
    fn content(&self) -> &str {
        self.0.as_str().or_else(|| self.0["content"].as_str()).unwrap_or_default()
    }
}

impl TokenizerFile {
    fn metadata(&self, vocabulary: i64) -> Result<Vec<(String, Value)>, VocabularyErrorKind> {
        if self.model.kind != "BPE" {
            return Err(VocabularyErrorKind::Model(self.model.kind.clone()));
        }
        let (tokens, types) = self.tokens(vocabulary)?;
        let merges = self.model.merges.iter().map(|merge| merge.0.clone()).collect();
        let all = [
            ("model", Value::String("gpt2".to_owned())),
            ("pre", Value::String(self.splitting_rule()?.to_owned())),
            ("tokens", Value::Strings(tokens)),
            ("token_type", Value::I32s(types)),
            ("merges", Value::Strings(merges)),
            ("add_bos_token", Value::Bool(self.adds_special_tokens())),
        ];
        Ok(all.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).collect())
    }

    /// Text and type of every row of the embedding; rows without a token get a name of their own.
    fn tokens(&self, vocabulary: i64) -> Result<(Vec<String>, Vec<i32>), VocabularyErrorKind> {
        let normal = self.model.vocab.iter().map(|(text, &id)| (id, text.as_str(), token_type::NORMAL));
        let added = self.added_tokens.iter().map(|token| {
            let kind = if token.special { token_type::CONTROL } else { token_type::USER_DEFINED };
            (token.id, token.content.as_str(), kind)
        });
        let mut tokens: Vec<String> = (0..vocabulary).map(|id| format!("[PAD{id}]")).collect();
        let mut types = vec![token_type::UNUSED; tokens.len()];
        // Added tokens come last: one that the model also lists keeps its special meaning.
        for (id, text, kind) in normal.chain(added) {
            let row = tokens.get_mut(id as usize).ok_or(VocabularyErrorKind::Size { id, vocabulary })?;
            text.clone_into(row);
            types[id as usize] = kind;
        }
        Ok((tokens, types))
    }

    fn splitting_rule(&self) -> Result<&'static str, VocabularyErrorKind> {
        let alone = std::slice::from_ref(&self.pre_tokenizer);
        let steps = self.pre_tokenizer["pretokenizers"].as_array().map_or(alone, Vec::as_slice);
        match steps {
            [first, ..] if first["pattern"]["Regex"] == LLAMA_3_SPLIT => Ok("llama-bpe"),
            [digits, bytes]
                if digits["type"] == "Digits" && digits["individual_digits"] == true && bytes["use_regex"] == true =>
            {
                Ok("smollm")
            }
            _ => Err(VocabularyErrorKind::Split(steps.first().unwrap_or(&self.pre_tokenizer).to_string())),
        }
    }

    /// Whether a post-processor puts special tokens around every text.
    fn adds_special_tokens(&self) -> bool {
        let alone = std::slice::from_ref(&self.post_processor);
        let steps = self.post_processor["processors"].as_array().map_or(alone, Vec::as_slice);
        steps.iter().any(|step| step["type"] == "TemplateProcessing")
    }

    fn id(&self, token: &str) -> Option<u32> {
        let added = self.added_tokens.iter().find(|added| added.content == token).map(|added| added.id);
        added.or_else(|| self.model.vocab.get(token).copied())
    }
}
