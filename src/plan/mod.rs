//! The plan: a pipeline with every name resolved, before anything is read but the pipeline file and before anything runs.
//!
//! - [`build()`] takes a [`Request`] and the [`Cards`] and gives a [`Plan`], or every problem at once.
//! - [`language`]: included files, matrices, params where they are used, `when:`. [`params`]: `with:` against a card.
//! - [`wiring`]: the outputs of a stage, its inputs, its command, where it writes. [`cards`]: the kinds.
//! - [`places`]: where each field was written, for `why`. [`outline`]: the names in a pipeline, for completing them.
//! - [`snapshot`]: a plan kept for the next time. [`schema`]: the language as a JSON Schema for editors.

mod build;
pub mod cards;
mod language;
pub mod model;
pub mod outline;
mod params;
mod places;
pub mod request;
pub mod schema;
pub mod snapshot;
mod wiring;

pub use build::{build, build_with_sources};
pub use cards::{Cards, code};
pub use language::{condition, instances, interpolate};
pub use model::*;
pub use request::Request;
pub use wiring::{command, links};

#[cfg(test)]
mod tests;
