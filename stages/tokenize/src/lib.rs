//! Stage `tokenize`: trains a byte-level BPE tokenizer on the training split and encodes every split.
//!
//! [`vocabulary`] trains the tokenizer, [`stage`] has params, card and the run. What it writes is the crate `tokens`.

pub mod stage;
pub mod vocabulary;

pub use stage::{Tokenize, TokenizeParams};
