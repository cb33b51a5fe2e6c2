//! Stage `verify`: a gate that can fail, before `transform` and after it.
//!
//! - [`stage`]: card and order of the passes. [`params`]: thresholds. [`check`]: the checks by name, and how one that crashes counts.
//! - [`scans`]: reports with their findings, correlations and truth. [`documents`]: ground-truth documents. [`dataset`]: training sets.
//! - [`schema`]: JSON against the two fixed schemas, streaming. [`measurements`]: figures over many scans.
//! - [`labels`]: what labels say, against what they are about.
//! - [`tally`]: what the checks came to. [`quality`]: the one number. [`report`] and [`summary`]: the two outputs.
//!
//! A check reads; nothing here mends. The README has every figure's definition.

pub mod check;
pub mod dataset;
pub mod documents;
pub mod labels;
pub mod measurements;
pub mod params;
pub mod quality;
pub mod report;
pub mod scans;
pub mod schema;
pub mod stage;
pub mod summary;
pub mod tally;
mod values;

pub use check::CheckName;
pub use params::{OnFailed, Thresholds, VerifyParams, WarnBeyond};
pub use report::{Bound, CheckReport, Measure, OverallStatus, Status, VerificationReport, Violation};
pub use stage::Verify;
