//! The gate before `transform`: every scan with its findings, correlations and truth goes through every check once.
//!
//! - `pass`: all scans, in order. `listed`: which there are. `scan`: one scan through all checks; `report`: its report.
//! - `view`: a scan as checks see it; `checks`: one file a check. [`truth`]: what is known of simulated scans.

mod checks;
mod listed;
mod pass;
mod report;
mod scan;
pub mod truth;
mod view;

pub use listed::Listed;
pub use pass::{ScanCounts, verify};
