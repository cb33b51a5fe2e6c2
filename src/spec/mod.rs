//! A pipeline as it was typed: YAML to a tree that keeps spans to the leaf, and that tree to the words of the language.
//!
//! - [`mod@file`] reads bytes under a budget; [`load`] turns YAML events into [`node`]s, the only place that knows YAML;
//!   [`scalar`] knows the meaning of a plain scalar.
//! - [`keys`] is the language's vocabulary; [`read`], [`ports`], [`mod@include`] and [`quantity`] check a tree against it and give a [`pipeline`].
//! - [`problem`] and [`span`] are the parts of every message; [`suggest`] finds the name that was meant.
//!
//! Nothing here knows cards, other stages or the file system beyond the one file: names are resolved by [`crate::plan`].

pub mod conduct;
mod elsewhere;
pub mod file;
pub mod include;
pub mod keys;
pub mod load;
pub mod name;
pub mod node;
pub mod pipeline;
pub mod ports;
pub mod problem;
pub mod quantity;
pub mod read;
pub mod scalar;
pub mod secrets;
pub mod shell;
pub mod span;
pub mod suggest;
pub mod tools;

pub use conduct::RetrySpec;
pub use include::IncludeSpec;
pub use name::{PipelineName, PortName, StageName};
pub use node::{Entry, Node, NodeValue};
pub use pipeline::{InputSpec, LinkRule, OutputSpec, PipelineSpec, ResourcesSpec, StageSpec, Variable, Wire};
pub use problem::{Invalid, Problem};
pub use secrets::{SecretForm, SecretPlace, SecretSpec, SecretUse};
pub use shell::Shell;
pub use span::{Location, Source, SourceId, Sources, Span, Spanned};
pub use tools::ToolSpec;
