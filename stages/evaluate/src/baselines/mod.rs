//! Answers without a model, to the same questions and judged in the same way: what a model must beat before it has shown anything.
//!
//! - [`training`]: the questions and answers of the training split. [`finding`]: the parts of a prompt that tables are made of.
//! - [`typical`]: the most ordinary of several answers. [`nearest`]: the training prompt that shares most 4-grams.
//! - [`baseline`]: the baselines.

pub mod baseline;
pub mod finding;
pub mod nearest;
pub mod training;
pub mod typical;

pub use baseline::{Baseline, Baselines};
pub use training::Training;
