//! Stage `tokenize`: trains a byte-level BPE tokenizer on the training split and encodes every split.
//!
//! - [`vocabulary`]: trains the tokenizer. [`chat`]: how a conversation becomes ids and labels. [`template`]: the files with which
//!   other programs do the same. [`dataset`]: the JSONL splits it reads. [`encoded`]: the encoded splits it writes.
//! - [`stage`]: params, card and the run.
//!
//! Free of libtorch, so other crates may read the `tokens` artifact through it.

pub mod chat;
pub mod dataset;
pub mod encoded;
pub mod stage;
pub mod template;
pub mod vocabulary;

pub use chat::ChatEncoder;
pub use dataset::{Message, Split};
pub use encoded::EncodedSplit;
pub use stage::{Tokenize, TokenizeParams};
