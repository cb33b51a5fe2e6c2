//! Stage `correlate`: enriches every finding and joins findings into correlations.
//!
//! - [`stage`]: params, card, and the passes over the hosts. [`host`]: one host's scans, in the order of time.
//! - [`terms`]: what a finding says in terms that can be joined (pid, executable, port, ...). [`facts`]: the fields ([`field`])
//!   that rules may ask for, some of them told by [`place`]. [`baseline`]: what the host's earlier scans held. [`role`], [`tags`],
//!   [`category`], [`risk`], [`document_id`]: what is added to a finding.
//! - [`rule`]: correlation rules as data (`rules/README.md`); [`soundness`]: what can be wrong with them. [`sides`], [`join`]:
//!   evaluate them on a scan. [`history`]: joins with earlier scans. [`fleet`]: joins across hosts. [`graph`]: clusters, and
//!   [`late`]: the joins that ask for them.
//! - [`subject`], [`sign`], [`usual`]: what clean hosts never show of one program; [`tally`] counts it. [`traces`]: techniques of single
//!   findings.
//! - [`record`]: the lines of the artifacts `findings` and `correlations`. [`lines`]: reads them back, a scan at a time.
//!
//! It knows nothing of truth, prompts or documents.

pub mod baseline;
pub mod category;
pub mod document_id;
pub mod facts;
pub mod field;
pub mod fleet;
pub mod graph;
pub mod history;
pub mod host;
pub mod join;
pub mod knowledge;
pub mod late;
pub mod lines;
pub mod place;
pub mod record;
pub mod risk;
pub mod role;
pub mod rule;
pub mod sides;
pub mod sign;
pub mod soundness;
pub mod stage;
pub mod subject;
pub mod tags;
pub mod tally;
pub mod terms;
pub mod tools;
pub mod traces;
pub mod usual;

pub use category::Category;
pub use fleet::Prevalence;
pub use lines::{Batches, ScanLines};
pub use record::{BaselineStatus, Correlation, EnrichedFinding, Subscores};
pub use risk::Profile;
pub use stage::{Correlate, CorrelateParams};
