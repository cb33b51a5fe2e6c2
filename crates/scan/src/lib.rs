//! The scanner's vocabulary: what a report holds, how it lies on disk, and which severity the scanner gives to what.
//!
//! - [`severity`], [`finding`], [`metadata`], [`report`]: the words. A [`Report`] in memory is always the valid form of `v2.json`.
//! - [`read`]: how a report as the scanner writes it becomes that form, and the errors that name path and pointer; [`changes`]: what
//!   that changed; `text`: the bytes as text; `foreign`: the names of files that are no reports.
//! - [`instant`]: the moment that a time in a report names. [`coverage`]: what a scan could have shown, so that scans compare like with like.
//! - [`scans`]: the artifact type `scans`, a directory of reports by host and scan. [`truth`]: the artifact type `truth`;
//!   [`chains`]: which hosts its attack chains reached.
//! - [`profile`]: what findings and severities look like in real reports, as data under `profile/`.
//! - [`rules`]: the scanner's severity rules, one file a scanner, as pure functions.
//!
//! It knows nothing of risk or correlation; those are `correlate`'s.

mod canonical;
pub mod chains;
pub mod changes;
pub mod coverage;
pub mod finding;
mod foreign;
pub mod instant;
pub mod metadata;
mod object;
mod partial;
mod places;
pub mod profile;
mod raw_finding;
mod raw_result;
pub mod read;
pub mod report;
pub mod rules;
pub mod scans;
pub mod severity;
mod text;
pub mod truth;
mod unique;

pub use changes::Changes;
pub use coverage::Coverage;
pub use finding::Finding;
pub use instant::Instant;
pub use metadata::Metadata;
pub use read::ReadError;
pub use report::{Report, ScannerError, ScannerResult, Warning};
pub use scans::{ScanFile, Scans, ScansWriter};
pub use severity::Severity;
