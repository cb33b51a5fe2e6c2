//! What an answer is worth: read as JSON, held against its task's schema and the true answer.
//!
//! - [`answer`]: one answer judged. [`schema`]: the schemas of tasks. [`facts`]: what an answer states and a question shows.
//!   [`overlap`]: F1 of what two answers have in common.

pub mod answer;
pub mod facts;
pub mod overlap;
pub mod schema;

pub use answer::{Judge, Judgement, Text, severity};
