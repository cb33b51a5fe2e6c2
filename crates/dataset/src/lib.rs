//! Training sets as their writer and their readers know them: `transform` writes them, `verify`, `tokenize` and `evaluate` read them.
//!
//! [`split`]: the parts, and the turns of conversations. [`lines`]: a part as conversations. [`token_counter`], [`words`], [`mod@trim`]: how
//! many tokens a text has, without the library `tokenizers`.

pub mod lines;
pub mod split;
pub mod token_counter;
mod token_file;
pub mod trim;
pub mod words;

pub use split::{Message, Role, Split};

/// Most hosts that share a correlation that ties them into one split, unless a pipeline says otherwise. What more hosts share is the
/// fleet's habit, not one chain, and would tie all of them together.
pub const TIED_HOSTS: usize = 8;
