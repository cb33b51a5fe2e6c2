//! What an answer is worth: read as JSON, held against its task's schema and the true answer.
//!
//! - [`answer`]: one answer judged. [`form`]: whether it has the form of the true one. [`overlap`]: F1 of what two answers have in common.
//!
//! The schemas of tasks, and the facts that an answer states, are those of the crate `policy`.

pub mod answer;
pub mod form;
pub mod overlap;

pub use answer::{Judge, Judgement, Text, severity};
