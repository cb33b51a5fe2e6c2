//! Stage `transform`: ground-truth documents and training sets out of correlated findings.
//!
//! - [`stage`]: params, card and run. [`pass`]: the one pass over the scans.
//! - [`reduction`]: what the agent reduces a scan to, out of [`subject`]s. [`action`], [`summary`]: what follows from it, in words.
//!   [`document`]: all of that in the form of `schemas/ground_truth_schema.json`.
//! - [`visible`]: what a model may see of a finding, and what follows from exactly that; `seen`, `address`, `shorten`: its form by scanner.
//!   [`example`]: chat-form examples and task `finding`. [`listing`]: many findings in a prompt. The tasks of whole scans:
//!   [`correlation`] (`part`, `note`: what a prompt shows of a cluster), [`advice`] (`actions`), [`briefing`] (`summary`), [`triage`],
//!   [`refine`] (whose answers are [`rule`]s).
//! - [`spool`]: examples on disk. [`merge`]: one per prompt, conflicts. [`split`]: hosts to splits. [`balance`]: limits.
//!   [`dataset`], [`parquet_files`]: the files. [`manifest`], [`data_card`], [`license`]: what is said of them.
//! - [`measure`]: how long examples are in tokens.
//!
//! Every sentence is computed from facts in the findings; nothing is drawn at random but the order, which the seed fixes.

pub mod action;
mod address;
pub mod advice;
pub mod balance;
pub mod briefing;
mod conversation;
pub mod correlation;
pub mod data_card;
pub mod dataset;
pub mod document;
pub mod example;
pub mod license;
pub mod listing;
pub mod manifest;
pub mod measure;
pub mod merge;
mod note;
pub mod parquet_files;
mod part;
pub mod pass;
#[cfg(test)]
mod rederived;
pub mod reduction;
pub mod refine;
pub mod rule;
mod seen;
mod shorten;
pub mod split;
pub mod spool;
pub mod stage;
pub mod subject;
pub mod summary;
mod tally;
pub mod triage;
pub mod visible;

pub use stage::{Transform, TransformParams};
