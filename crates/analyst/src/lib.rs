//! From the reports of one host to questions, and from answers to the enriched report: `ingest`, `correlate` and the prompt half of
//! `transform` as a library, without files, store or training set.
//!
//! - [`report`]: a report of any version of the scanner; [`mend`]: what another version writes otherwise. [`host`]: the reports of one host,
//!   and the newest scan of them, correlated.
//! - [`question`]: what is asked about a scan, byte for byte as a training set has it. [`answers`]: what is taken of what was said, beside the
//!   rules' own. [`enriched`]: the report with both.
//! - [`model`]: a model as it is asked. [`exchange`]: questions and answers as lines of JSON, for runtimes that are other programs.
//!
//! Severity, risk, ids, counts and techniques are the rules'. Names of users, hosts and networks leave a prompt as pseudonyms, as in
//! training, and come back in the answer.

pub mod answers;
pub mod enriched;
pub mod exchange;
pub mod host;
mod mend;
pub mod model;
pub mod question;
pub mod report;

pub use answers::{Answer, Origin, Tally};
pub use enriched::Enriched;
pub use host::{Host, Latest};
pub use model::Model;
pub use question::{Question, Wanted};
pub use report::{Read, Source};
