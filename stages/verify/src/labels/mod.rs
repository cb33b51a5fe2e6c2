//! What labels say, held against what they are about.
//!
//! - [`claims`]: a technique or an action against the text of its findings. [`answers`]: those of a training set, read from its lines.
//! - [`ratings`]: answers of task `finding` against the documents of their scan.
//! - [`attacks`]: what the hidden truth says of scans; [`summaries`]: whether summaries name it and rate it.

pub mod answers;
pub mod attacks;
pub mod claims;
pub mod ratings;
pub mod summaries;
