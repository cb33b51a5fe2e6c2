//! This machine as a place where actions are carried out.
//!
//! [`LocalExecutor`] starts executions; `execution` is one, from private directory to outputs in the store: `workspace` lays the
//! directory out, with its `script` and its `secrets`; `credentials` finds those in variables that a worker sees; `spoiled` watches
//! the inputs; `adopt` takes the outputs into the store, and `figures` reads the metrics in them; `left` keeps those of a worker that
//! failed; [`undeclared`] guesses the inputs that a failed command lacked. [`Workbench`] is such a directory
//! for a person.

mod adopt;
mod credentials;
mod execution;
mod figures;
mod left;
mod place;
mod script;
mod secrets;
mod spoiled;
pub mod undeclared;
mod workbench;
mod workspace;

pub use place::{FailedWork, LocalExecutor, log_path};
pub use workbench::Workbench;
