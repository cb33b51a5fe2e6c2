//! Stage `correlate`: enriches every finding and joins findings into correlations.
//!
//! - [`stage`]: params, card, and the passes over the hosts. [`host`]: one host's scans, in the order of time.
//! - [`facts`]: the fields ([`field`]) that rules may ask for. [`baseline`]: what the host's earlier scans held. [`role`], [`tags`]:
//!   what is added to a finding, beside what the crate `findings` adds.
//! - [`rule`]: correlation rules as data (`rules/README.md`), with the points measured for them. [`sides`], [`join`]:
//!   evaluate them on a scan. [`history`]: joins with earlier scans. [`fleet`]: joins across hosts. [`graph`]: clusters, and
//!   [`late`]: the joins that ask for them.
//! - [`subject`], [`sign`], [`usual`]: what clean hosts never show of one program; [`tally`] counts it. [`traces`]: techniques of single
//!   findings.
//!
//! What it writes is the crate `findings`. It knows nothing of truth, prompts or documents.

pub mod baseline;
pub mod facts;
pub mod field;
pub mod fleet;
pub mod graph;
pub mod history;
pub mod host;
pub mod join;
pub mod knowledge;
pub mod late;
pub mod role;
pub mod rule;
pub mod sides;
pub mod sign;
pub mod stage;
pub mod subject;
pub mod tags;
pub mod tally;
pub mod tools;
pub mod traces;
pub mod usual;

pub use stage::{Correlate, CorrelateParams};
