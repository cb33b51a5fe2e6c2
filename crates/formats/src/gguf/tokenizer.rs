//! The tokenizer of a GGUF file as the files of a Hugging Face directory: byte-level BPE, split as `smollm` or `llama-bpe`.
//!
//! A GGUF file names the rule by which text is split; the pattern itself lies in the programs that read it, and here.

use dataset::words::LLAMA_3_SPLIT;
use serde_json::{Map, Value as Json, json};

use super::{GgufFile, Value};
use crate::LlamaErrorKind;
use crate::source::Companion;

/// Numbers of kinds of token.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// How text is split before byte-level BPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// Each digit apart, then GPT-2's pattern.
    SmolLm,
    /// Llama 3's pattern; a word that is a token is not merged together.
    Llama3,
}

/// The tokenizer's files: `tokenizer.json` and what tells programs how to use it.
pub fn files(file: &GgufFile) -> Result<Vec<Companion>, LlamaErrorKind> {
    let tokenizer = Tokenizer::read(file)?;
    let (bos, eos, pad) = (tokenizer.token("bos"), tokenizer.token("eos"), tokenizer.token("padding"));
    let roles = [("bos_token", bos.text), ("eos_token", eos.text), ("pad_token", pad.text)];
    let special: Map<String, Json> =
        roles.into_iter().filter_map(|(role, text)| Some((role.to_owned(), json!(text?)))).collect();
    let mut ends: Vec<u32> = eos.id.into_iter().chain(tokenizer.token("eot").id).collect();
    ends.dedup();
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": tokenizer.added().into_iter().map(decoder_entry).collect::<Map<_, _>>(),
        "clean_up_tokenization_spaces": false,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": file.value("llama.context_length").and_then(Value::integer),
    });
    special.iter().for_each(|(key, text)| config[key] = text.clone());
    let generation = json!({
        "bos_token_id": bos.id,
        "eos_token_id": ends,
        "pad_token_id": pad.id,
    });
    let mut files = vec![
        Companion::json("tokenizer.json", &tokenizer.json()?),
        Companion::json("tokenizer_config.json", &config),
        Companion::json("special_tokens_map.json", &Json::Object(special)),
        Companion::json("generation_config.json", &generation),
    ];
    let template = file.value("tokenizer.chat_template").and_then(Value::text);
    files.extend(template.map(|text| Companion { name: "chat_template.jinja", bytes: text.as_bytes().to_vec() }));
    Ok(files)
}

/// The entry of an added token in `tokenizer_config.json`, which has its number as the key.
fn decoder_entry(mut token: Map<String, Json>) -> (String, Json) {
    let id = token.remove("id").unwrap_or_default();
    (id.to_string(), Json::Object(token))
}

struct Tokenizer<'a> {
    file: &'a GgufFile,
    tokens: &'a [String],
    types: &'a [i32],
    merges: &'a [String],
    split: Split,
}

/// A token with a role.
#[derive(Default)]
struct Role<'a> {
    id: Option<u32>,
    text: Option<&'a str>,
}

impl<'a> Tokenizer<'a> {
    fn read(file: &'a GgufFile) -> Result<Tokenizer<'a>, LlamaErrorKind> {
        let text = |key| file.value(key).and_then(Value::text);
        match text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            other => return refuse("tokenizer.ggml.model", other.unwrap_or("absent"), "gpt2"),
        }
        let split = match text("tokenizer.ggml.pre") {
            Some("smollm") => Split::SmolLm,
            Some("llama-bpe" | "llama3" | "llama-v3") => Split::Llama3,
            other => return refuse("tokenizer.ggml.pre", other.unwrap_or("absent"), "smollm or llama-bpe"),
        };
        let (Some(Value::Strings(tokens)), Some(Value::Strings(merges))) =
            (file.value("tokenizer.ggml.tokens"), file.value("tokenizer.ggml.merges"))
        else {
            return refuse("tokenizer.ggml.tokens", "without texts or without merges", "two lists of texts");
        };
        let types = match file.value("tokenizer.ggml.token_type") {
            Some(Value::I32s(types)) if types.len() == tokens.len() => types.as_slice(),
            _ => return refuse("tokenizer.ggml.token_type", "absent or of another length", "one number a token"),
        };
        Ok(Tokenizer { file, tokens, types, merges, split })
    }

    /// The token with role `role`.
    fn token(&self, role: &str) -> Role<'a> {
        let id = self.file.value(&format!("tokenizer.ggml.{role}_token_id")).and_then(Value::integer);
        let Some(id) = id.and_then(|id| u32::try_from(id).ok()) else { return Role::default() };
        match self.tokens.get(id as usize) {
            Some(text) => Role { id: Some(id), text: Some(text) },
            None => Role::default(),
        }
    }

    /// Tokens that are matched in text as a whole.
    fn added(&self) -> Vec<Map<String, Json>> {
        let all = self.tokens.iter().zip(self.types).enumerate();
        all.filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED))
            .map(|(id, (text, kind))| {
                let flags =
                    ["single_word", "lstrip", "rstrip", "normalized"].map(|flag| (flag.to_owned(), json!(false)));
                let mut token = Map::from_iter(flags);
                token.extend(
                    [("id", json!(id)), ("content", json!(text)), ("special", json!(*kind == CONTROL))]
                        .map(|(key, value)| (key.to_owned(), value)),
                );
                token
            })
            .collect()
    }

    fn json(&self) -> Result<Json, LlamaErrorKind> {
        let merges: Option<Vec<(&str, &str)>> = self.merges.iter().map(|merge| merge.split_once(' ')).collect();
        let Some(merges) = merges else {
            return refuse("tokenizer.ggml.merges", "not pairs", "two texts with a space between");
        };
        // Added tokens are among them: one that is not gets a number of its own from the library.
        let vocabulary: Map<String, Json> = self
            .tokens
            .iter()
            .zip(self.types)
            .enumerate()
            .filter(|(_, (_, kind))| **kind != UNUSED)
            .map(|(id, (text, _))| (text.clone(), json!(id)))
            .collect();
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added(),
            "normalizer": null,
            "pre_tokenizer": self.split.pre_tokenizer(),
            "post_processor": self.post_processor(),
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": self.split == Split::Llama3,
                "vocab": vocabulary,
                "merges": merges,
            },
        }))
    }

    fn post_processor(&self) -> Json {
        let adds = match self.file.value("tokenizer.ggml.add_bos_token") {
            Some(Value::Bool(adds)) => *adds,
            // As llama.cpp has it where a file does not say.
            _ => self.split == Split::Llama3,
        };
        let Role { id: Some(id), text: Some(text) } = self.token("bos") else { return Json::Null };
        if !adds {
            return Json::Null;
        }
        let special = |sequence: u8| json!({"SpecialToken": {"id": text, "type_id": sequence}});
        let part = |name: &str, sequence: u8| json!({"Sequence": {"id": name, "type_id": sequence}});
        json!({
            "type": "TemplateProcessing",
            "single": [special(0), part("A", 0)],
            "pair": [special(0), part("A", 0), special(1), part("B", 1)],
            "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]}},
        })
    }
}

impl Split {
    fn pre_tokenizer(self) -> Json {
        let bytes = |splits: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": splits});
        let steps = match self {
            Split::SmolLm => vec![json!({"type": "Digits", "individual_digits": true}), bytes(true)],
            Split::Llama3 => vec![
                json!({"type": "Split", "pattern": {"Regex": LLAMA_3_SPLIT}, "behavior": "Isolated", "invert": false}),
                bytes(false),
            ],
        };
        json!({"type": "Sequence", "pretokenizers": steps})
    }
}

fn refuse<T>(key: &'static str, value: &str, supported: &'static str) -> Result<T, LlamaErrorKind> {
    Err(LlamaErrorKind::Unsupported { key, value: value.to_owned(), supported })
}
