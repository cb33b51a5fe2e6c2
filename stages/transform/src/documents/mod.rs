//! Ground-truth documents: one scan of one host in the form of `schemas/ground_truth_schema.json`.
//!
//! - [`reduction`]: the agent's reduction of a scan, made of [`subject`]s; `tally` counts for it.
//! - [`verdict`]: how grave a scan is, and which findings matter. [`advice`]: what a finding asks for.
//! - [`action`], [`summary`]: conclusions, in words; `telling`: what is told of one subject. [`document`]: the whole.

pub mod action;
pub mod advice;
pub mod document;
pub mod reduction;
pub mod subject;
pub mod summary;
mod tally;
pub(crate) mod telling;
pub mod verdict;
