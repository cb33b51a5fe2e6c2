//! Tasks and their examples in chat form.
//!
//! - [`task`]: the tasks by name. [`example`]: one example. [`answers`]: the schema of each task's answers.
//! - Of one finding: [`finding`]. Of whole scans: [`correlation`] (`part`, `note`: the part of a cluster that a prompt shows), [`advice`]
//!   (task `actions`), [`briefing`] (task `summary`) and [`triage`], which share an `overview`, and [`refine`], whose answers are [`rule`]s.

pub mod advice;
pub mod answers;
pub mod briefing;
pub mod correlation;
pub mod example;
pub mod finding;
mod note;
mod overview;
mod part;
#[cfg(test)]
mod rederived;
pub mod refine;
pub mod rule;
pub mod task;
pub mod triage;
