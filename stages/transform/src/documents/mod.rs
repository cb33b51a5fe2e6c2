//! Ground-truth documents: one scan of one host in the form of `schemas/ground_truth_schema.json`.
//!
//! - [`reduction`]: what the agent reduces a scan to, out of [`subject`]s; `tally` counts for it.
//! - [`action`], [`summary`]: what follows from the reduction, in words. [`document`]: the whole.

pub mod action;
pub mod document;
pub mod reduction;
pub mod subject;
pub mod summary;
mod tally;
