//! An action: a stage with everything resolved. Its digest is the key under which the store keeps its result.
//!
//! The encoding is ours ([`canonical`]): length-prefixed, maps sorted here, domain-separated. Nothing that does not change
//! the output is in it: no backend, resources, stage names, absolute paths, times or YAML text. [`difference`] compares two.
//! [`model`]: its parts. [`key`]: its key.

pub mod canonical;
pub mod difference;
mod key;
mod model;

pub use key::{ActionKey, PlanKey};
pub use model::{Action, ActionInput, ActionScript, ActionShell, ActionWork, FORMAT};

#[cfg(test)]
mod tests;
