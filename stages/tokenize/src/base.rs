//! The tokenizer of a base model, taken as it is: its `tokenizer.json` byte for byte, its chat template, and the small files that say
//! which special token is which, completed where they leave something open.

use std::collections::BTreeMap;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use formats::{Config, ModelSource};
use serde_json::{Value, json};
use tokenizers::Tokenizer;
use tokens::chat_template::ChatTemplate;
use tokens::special::{ids, template_in};
use tokens::template::{CHAT_TEMPLATE, Special, TOKENIZER_CONFIG};
use tokens::{ChatEncoder, TokenNames};

/// Tokens that are made for padding, by their texts in models which do not say which token that is.
const PADDING: [&str; 5] = ["<|finetune_right_pad_id|>", "<|pad|>", "<pad>", "[PAD]", "<|pad_token|>"];

/// The tokenizer of a base model.
pub struct Base {
    /// Encodes with it.
    pub encoder: ChatEncoder,
    /// Rows of the model's embedding.
    pub vocab_size: usize,
    /// The longest sequence that the model is made for.
    pub context: i64,
    /// Opens a sequence.
    pub bos: Option<u32>,
    /// End an answer, the one of the chat template first.
    pub stop: Vec<u32>,
    /// Fills a batch.
    pub pad: u32,
    /// What the user should know of it.
    pub notes: Vec<String>,
    tokenizer: Vec<u8>,
    template: String,
    /// `tokenizer_config.json` and `generation_config.json` as the model has them.
    config: Value,
    generation: Value,
}

impl Base {
    /// Reads the tokenizer of the model at `path`: a Hugging Face directory, or one GGUF file in it.
    pub fn read(path: &Path) -> Result<Base, StageError> {
        let source = ModelSource::open(path)?;
        let mut files: BTreeMap<&str, Vec<u8>> =
            source.companions()?.into_iter().map(|companion| (companion.name, companion.bytes)).collect();
        let wrong =
            |name: &str, what: String| StageError::invalid_input(format!("{}: {what}", path.join(name).display()));
        let Some(file) = files.remove("tokenizer.json") else {
            return Err(wrong("tokenizer.json", "the base has no such file".to_owned())
                .help("bring the model with its tokenizer.json; one that has tokenizer.model only can be converted by transformers"));
        };
        let json = |name: &str| match files.get(name) {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| wrong(name, error.to_string())),
            None => Ok(json!({})),
        };
        let mut config: Value = json(TOKENIZER_CONFIG)?;
        let generation: Value = json("generation_config.json")?;
        let special: Value = json("special_tokens_map.json")?;
        // Older models name their special tokens in that file only.
        for (name, text) in TokenNames::of(&special).iter() {
            if TokenNames::of(&config).text(name).is_none() {
                config[name] = text.into();
            }
        }
        let tokenizer = Tokenizer::from_bytes(&file).map_err(|error| wrong("tokenizer.json", error.to_string()))?;
        fits(&tokenizer, &source.config).map_err(|what| wrong("tokenizer.json", what))?;
        let mut notes = Vec::new();
        let written = files.remove("chat_template.jinja").map(String::from_utf8).transpose();
        let written = written.map_err(|error| wrong("chat_template.jinja", error.to_string()))?;
        let template = match written.as_deref().or_else(|| template_in(&config)) {
            Some(template) => template.to_owned(),
            None => {
                let lacking = Special::ALL[..4].iter().find(|special| tokenizer.token_to_id(special.text()).is_none());
                if let Some(special) = lacking {
                    let what = format!(
                        "the base has none, and its vocabulary lacks {}, which pipe's own template needs",
                        special.text()
                    );
                    return Err(wrong("chat_template.jinja", what).help(
                        "put a chat_template.jinja beside the model, or take the model's instruct version as the base",
                    ));
                }
                notes.push("the base has no chat template, so Llama 3's is taken".to_owned());
                CHAT_TEMPLATE.to_owned()
            }
        };
        if let Some(config) = config.as_object_mut() {
            config.remove("chat_template");
        }
        let named = |config: &Value, name: &str| {
            let text = TokenNames::of(config).text(name).map(str::to_owned)?;
            tokenizer.token_to_id(&text)
        };
        let rows = source.config.vocab_size;
        let known = |id: &u32| i64::from(*id) < rows;
        let bos = named(&config, "bos_token").or_else(|| ids(generation.get("bos_token_id")).first().copied());
        let bos = bos.or_else(|| id(source.config.bos_token_id)).filter(known);
        let mut declared: Vec<u32> = named(&config, "eos_token").into_iter().collect();
        declared.extend(ids(generation.get("eos_token_id")));
        declared.extend(source.config.eos_token_ids.iter().filter_map(|eos| id(Some(*eos))));
        let padding = || PADDING.iter().find_map(|text| tokenizer.token_to_id(text));
        let pad = named(&config, "pad_token").or_else(|| ids(generation.get("pad_token_id")).first().copied());
        let pad = pad.or_else(|| id(source.config.pad_token_id)).filter(known).or_else(padding);
        if named(&config, "eos_token").is_none()
            && let Some(text) = declared.first().and_then(|eos| tokenizer.id_to_token(*eos))
        {
            config["eos_token"] = text.into();
        }
        let name = path.join("chat_template.jinja").display().to_string();
        let compiled = ChatTemplate::new(name, &template, TokenNames::of(&config))?;
        let encoder = ChatEncoder::new(tokenizer, compiled)?;
        let end = encoder.end_of_turn();
        if !declared.is_empty() && !declared.contains(&end) {
            let text = encoder.tokenizer().id_to_token(end).unwrap_or_default();
            notes.push(format!("the base does not say that {text} ends an answer, as its chat template has it: generation stops at it too"));
        }
        let mut stop = vec![end];
        for id in declared.into_iter().filter(known) {
            if !stop.contains(&id) {
                stop.push(id);
            }
        }
        let pad = pad.unwrap_or(end);
        if let (None, Some(text)) = (TokenNames::of(&config).text("pad_token"), encoder.tokenizer().id_to_token(pad)) {
            config["pad_token"] = text.into();
        }
        let context = source.config.max_position_embeddings;
        let vocab_size = rows as usize;
        Ok(Base { encoder, vocab_size, context, bos, stop, pad, notes, tokenizer: file, template, config, generation })
    }

    /// Writes the files into `directory`.
    pub fn save(&self, directory: &Path) -> Result<(), StageError> {
        for (name, bytes) in
            [("tokenizer.json", self.tokenizer.as_slice()), ("chat_template.jinja", self.template.as_bytes())]
        {
            let path = directory.join(name);
            std::fs::write(&path, bytes).at(&path)?;
        }
        let mut generation = self.generation.clone();
        if let Some(generation) = generation.as_object_mut() {
            // A bound on question and answer together, which would cut answers to long questions off.
            generation.remove("max_length");
        }
        generation["bos_token_id"] = json!(self.bos);
        generation["eos_token_id"] = json!(self.stop);
        generation["pad_token_id"] = json!(self.pad);
        let special: serde_json::Map<String, Value> =
            TokenNames::of(&self.config).iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
        let documents = [
            (TOKENIZER_CONFIG, &self.config),
            ("special_tokens_map.json", &special.into()),
            ("generation_config.json", &generation),
        ];
        documents.into_iter().try_for_each(|(name, document)| crate::stage::write_json(&directory.join(name), document))
    }
}

/// Refuses a tokenizer with tokens for which the model has no row.
fn fits(tokenizer: &Tokenizer, config: &Config) -> Result<(), String> {
    let largest = tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id);
    match largest {
        Some((text, id)) if i64::from(id) >= config.vocab_size => Err(format!(
            "it has the token {text:?} with id {id}, and the model an embedding of {} rows",
            config.vocab_size
        )),
        _ => Ok(()),
    }
}

fn id(value: Option<i64>) -> Option<u32> {
    value.and_then(|id| u32::try_from(id).ok())
}
