//! The artifact `tokens`: what `tokenize` writes, and `train`, `quantize` and `evaluate` read. Free of libtorch.
//!
//! - [`chat`]: how a conversation becomes ids and labels. [`chat_template`]: what stands around its messages. `generation`: the tags by
//!   which a template says what is learned. `python`: what templates use of Python.
//! - [`special`]: special tokens by their roles, as a model names them. [`template`]: those of a trained tokenizer, and the files with which
//!   other programs use it.
//! - [`encoded`]: the encoded splits. [`manifest`]: what lies beside them.

pub mod chat;
pub mod chat_template;
pub mod encoded;
mod generation;
pub mod manifest;
mod python;
pub mod special;
pub mod template;

pub use chat::ChatEncoder;
pub use chat_template::ChatTemplate;
pub use encoded::EncodedSplit;
pub use manifest::{Learn, Manifest};
pub use special::TokenNames;
