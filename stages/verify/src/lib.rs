//! Stage `verify`: a gate that can fail, between correlated findings and everything that is made of them.
//!
//! - [`stage`]: params, card, and the pass over the scans. [`check`]: what a check is, and how one that crashes counts.
//! - [`checks`]: the checks, one file each. [`tally`]: what they found. [`report`]: the two outputs.
//!
//! A check reads; nothing here mends.

pub mod check;
pub mod checks;
pub mod report;
pub mod stage;
pub mod tally;

pub use check::CheckName;
pub use report::{CheckReport, Status, VerificationReport, Violation};
pub use stage::{OnFailed, Thresholds, Verify, VerifyParams};
