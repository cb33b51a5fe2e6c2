//! Stages with each other and with the workspace: their outputs, inputs and commands, and where they write.
//!
//! - [`interface`]: a stage from the outside. [`inputs`]: the sources of its ports. [`order`]: producers before consumers, and cycles.
//! - [`command`], [`script_lines`]: the script of a command. [`conduct`]: time-outs, retries, groups and secrets. [`tools`]: `tools:`.
//!   [`elsewhere`]: stages that run beyond this machine.
//! - [`paths`], [`links`]: where outputs lie, once links are followed. [`ground`]: where nothing may be written.

pub mod command;
pub(super) mod conduct;
pub(super) mod elsewhere;
pub(super) mod ground;
pub(super) mod inputs;
pub(super) mod interface;
pub mod links;
pub(super) mod order;
pub(super) mod paths;
mod script_lines;
pub(super) mod tools;
