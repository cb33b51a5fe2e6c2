//! The plan: a pipeline with every name resolved, before anything is read but the pipeline file and before anything runs.
//!
//! - [`build`] takes a [`Request`] and the [`Cards`] and gives a [`Plan`], or every problem at once. [`foreign`]: cards that do not ship with the engine.
//! - [`modules`], [`instances`]: the files of a pipeline, and one stage for each combination of a matrix.
//! - [`overrides`], [`interpolate`]: params set on the command line, and where they are used. [`params`]: `with:` against a card.
//! - [`interface`], [`wiring`], [`command`], [`paths`]: what a stage gives, what feeds it, what it runs, where it writes.
//! - [`ground`], [`links`]: where nothing may be written, and where paths lie once links are followed.
//! - [`condition`], [`condition_parse`]: `when:`. `conduct`: time-outs, retries, groups and secrets.
//! - [`order`]: producers before consumers, and cycles. [`places`]: where each field was written, for `why`.
//! - [`outline`]: the names in a pipeline, for completing them. [`code`]: the code behind the kinds that ship with the engine. [`snapshot`]: a plan kept for the next time. [`schema`]: the language as a JSON Schema for editors.

pub mod cards;
pub mod code;
pub mod command;
pub mod condition;
pub mod condition_parse;
mod conduct;
pub mod foreign;
pub mod ground;
pub mod instances;
pub mod interface;
pub mod interpolate;
pub mod links;
pub mod model;
pub mod modules;
pub mod order;
pub mod outline;
pub mod overrides;
pub mod params;
pub mod paths;
pub mod places;
pub mod request;
pub mod schema;
pub mod snapshot;
pub mod tools;
pub mod wiring;

mod build;
mod script_lines;

pub use build::{build, build_with_sources};
pub use cards::Cards;
pub use model::*;
pub use request::Request;

#[cfg(test)]
mod tests;
