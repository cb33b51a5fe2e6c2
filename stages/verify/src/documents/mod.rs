//! The gate after `transform`: ground-truth documents against their schema and against themselves.
//!
//! - `pass`: all documents, in order. `document`: one document through all checks.
//! - [`view`]: a document as checks see it. `checks`: the checks by name; `references`: the largest of them.

mod checks;
mod document;
mod pass;
mod references;
pub mod view;

pub use pass::{DocumentsSeen, Shared, verify};
