//! Constrained decoding: which tokens may come next in an answer of a JSON schema.
//!
//! - [`schema`]: a schema as a [`Grammar`]. Answers are compact and have their keys in the order of the schema, which is the order that
//!   models are trained on. A keyword that is not heeded is refused. [`json`]: JSON that keeps the order of keys.
//! - [`machine`]: reads an answer byte by byte, and knows the shortest end of it. [`number`]: the same for a number.
//! - [`vocabulary`]: the bytes of tokens. [`mask`]: the tokens that may come next, so that the answer ends within its tokens.
//!
//! The crate `llguidance` does this for all of JSON Schema. It switches on `preserve_order` of `serde_json` for every crate that is built
//! with it, and so the bytes that other programs write would depend on what is built beside them.

pub mod json;
pub mod machine;
pub mod mask;
pub mod number;
pub mod schema;
pub mod vocabulary;

pub use mask::{Constraint, Mask, Walk};
pub use schema::{Grammar, GrammarError};
pub use vocabulary::Vocabulary;
