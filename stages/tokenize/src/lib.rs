//! Stage `tokenize`: encodes every split of a chat dataset, with the tokenizer of a base model or a byte-level BPE that it trains.
//!
//! [`stage`] has params, card and the run. [`base`] takes a base's tokenizer, [`vocabulary`] trains one. `encode` makes ids of the
//! conversations, `report` tells of them. What it writes is the crate `tokens`.

pub mod base;
mod encode;
mod report;
pub mod stage;
pub mod vocabulary;

pub use stage::{Tokenize, TokenizeParams};
