//! Ground-truth documents: one scan of one host in the form of `schemas/ground_truth_schema.json`.
//!
//! - [`reduction`]: the agent's reduction of a scan, made of [`subject`]s; `tally` counts for it.
//! - [`action`], [`summary`]: conclusions from the reduction, in words. [`document`]: the whole.

pub mod action;
pub mod document;
pub mod reduction;
pub mod subject;
pub mod summary;
mod tally;
