//! The engine. It knows no stage: it reads cards, plans, and starts the workers that the cards name.
//!
//! From the outside in:
//! - [`cmd`]: one file a verb. [`report`]: everything that is printed or written for people and programs.
//! - [`engine`]: one run of a plan: which stages are hits, which must run, in which order, with which outcome.
//! - [`plan`]: a pipeline resolved: stages as a graph, wired, typed, params complete. [`spec`]: YAML to that, with spans.
//! - [`action`]: a stage with everything resolved, and its key. [`store`]: blobs, trees and records by digest.
//! - [`remote`]: a store beyond this machine, to which records are pushed and from which they are pulled.
//! - [`failpoint`]: where tests may kill the engine. [`signals`]: their names, those ignored from the start, and file size limits.
//! - [`executor`]: where an action is carried out. [`backend`]: processes on this machine. [`governor`]: how much may run now.
//! - [`config`]: settings, each with where it came from.
//!
//! Only `spec::load` touches YAML; only `report` and `cmd` print; only the governor's probe reads the machine; only `store`
//! writes under blobs, trees and records.

pub mod action;
pub mod backend;
pub mod cmd;
pub mod config;
pub mod engine;
pub mod executor;
pub mod failpoint;
pub mod governor;
pub mod plan;
pub mod remote;
pub mod report;
pub mod signals;
pub mod spec;
pub mod store;
