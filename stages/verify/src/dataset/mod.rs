//! The gate after `transform`: training sets against themselves. Lines are read one after another; `checks` says what is kept of them.
//!
//! - `pass`: all files of a training set, by its `manifest`. `file`: one file of it, line by line (`line`).
//! - `checks`: what is checked and what is kept for that. `near`: near duplicates.

mod checks;
mod file;
mod line;
mod manifest;
mod near;
mod pass;

pub use pass::verify;
