//! Training sets as their writer and their readers know them: `transform` writes them, `verify`, `tokenize` and `evaluate` read them.
//!
//! [`split`]: the parts, and the conversations in them. [`token_counter`], [`words`]: how many tokens a text has, without the
//! library `tokenizers`.

pub mod split;
pub mod token_counter;
mod token_file;
pub mod words;

pub use split::{Message, Split};

/// Most hosts that share a correlation that ties them into one split, unless a pipeline says otherwise. What more hosts share is the
/// fleet's habit, not one chain, and would tie all of them together.
pub const TIED_HOSTS: usize = 8;
