//! The special tokens of tokenizers that `tokenize` trains, and the files that tell other programs how to use these.
//!
//! Llama 3's chat form. Padding is a token of its own and the model is trained to write `<|eot_id|>`: a pad that equals the end
//! token, or an end token that is masked out of the loss, gives models that never stop.

use serde_json::{Value, json};

use crate::special::TokenNames;

/// A token that stands for no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Opens a sequence.
    BeginOfText,
    /// Opens the role of a turn.
    StartHeader,
    /// Closes the role of a turn.
    EndHeader,
    /// Closes a turn, and so an answer.
    EndOfTurn,
    /// Fills a batch.
    Pad,
}

impl Special {
    /// All, in the order of their ids.
    pub const ALL: [Special; 5] =
        [Special::BeginOfText, Special::StartHeader, Special::EndHeader, Special::EndOfTurn, Special::Pad];

    /// Its id: the specials come first in the vocabulary.
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// How it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Special::BeginOfText => "<|begin_of_text|>",
            Special::StartHeader => "<|start_header_id|>",
            Special::EndHeader => "<|end_header_id|>",
            Special::EndOfTurn => "<|eot_id|>",
            Special::Pad => "<|pad|>",
        }
    }
}

/// `chat_template.jinja` as `tokenize` ships it; [`crate::ChatTemplate`] renders it here, other programs do elsewhere.
pub const CHAT_TEMPLATE: &str = include_str!("chat_template.jinja");

/// The file that says which special token is which.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The small files beside `tokenizer.json`: name and content.
pub fn companions(max_length: u32) -> [(&'static str, Value); 3] {
    let text = Special::text;
    let decoder: serde_json::Map<String, Value> = Special::ALL
        .iter()
        .map(|special| {
            let entry = json!({
                "content": special.text(), "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true,
            });
            (special.id().to_string(), entry)
        })
        .collect();
    let map = special_tokens();
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": decoder,
        "bos_token": text(Special::BeginOfText),
        "eos_token": text(Special::EndOfTurn),
        "pad_token": text(Special::Pad),
        "clean_up_tokenization_spaces": false,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_length,
    });
    let generation = json!({
        "bos_token_id": Special::BeginOfText.id(),
        "eos_token_id": [Special::EndOfTurn.id()],
        "pad_token_id": Special::Pad.id(),
        "do_sample": false,
    });
    [(TOKENIZER_CONFIG, config), ("special_tokens_map.json", map), ("generation_config.json", generation)]
}

/// The names of the special tokens in chat templates.
pub fn trained_names() -> TokenNames {
    TokenNames::of(&special_tokens())
}

fn special_tokens() -> Value {
    json!({
        "bos_token": Special::BeginOfText.text(),
        "eos_token": Special::EndOfTurn.text(),
        "pad_token": Special::Pad.text(),
    })
}
