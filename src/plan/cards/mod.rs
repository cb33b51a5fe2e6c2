//! The kinds of stages.
//!
//! - [`kinds`]: cards by the names of their kinds. [`foreign`]: those that do not ship with the engine. [`code`]: the code behind those that do.

pub mod code;
mod foreign;
mod kinds;

pub use kinds::{CardError, Cards};
