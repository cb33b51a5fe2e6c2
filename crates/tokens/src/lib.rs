//! The artifact `tokens`: what `tokenize` writes, and `train`, `quantize` and `evaluate` read. Free of libtorch.
//!
//! - [`chat`]: how a conversation becomes ids and labels. [`chat_template`]: what stands around its messages, as the shipped template
//!   has it. [`template`]: the special tokens, and the files with which other programs do the same.
//! - [`encoded`]: the encoded splits. [`manifest`]: what lies beside them.

pub mod chat;
pub mod chat_template;
pub mod encoded;
pub mod manifest;
pub mod template;

pub use chat::ChatEncoder;
pub use chat_template::ChatTemplate;
pub use encoded::EncodedSplit;
pub use manifest::Manifest;
