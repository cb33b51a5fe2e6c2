//! Enriched findings and correlations: what `correlate` writes, and `transform` and `verify` read.
//!
//! - [`record`]: the lines of the two artifacts. [`lines`]: reads them, a scan at a time.
//! - [`terms`]: what a finding says in terms that can be joined (pid, executable, port, ...). [`place`]: what a path, an address or
//!   a user ID says by itself.
//! - [`category`], [`risk`], [`prevalence`], [`document_id`]: what is added to a finding. [`agent`]: the agent's own rules, for its
//!   profile. [`clusters`]: union-find.
//!
//! It knows no rule, prompt or document.

pub mod agent;
mod block;
pub mod category;
pub mod clusters;
pub mod document_id;
mod exact;
pub mod lines;
pub mod place;
pub mod prevalence;
pub mod record;
pub mod risk;
pub mod terms;

pub use category::Category;
pub use exact::exact;
pub use lines::{Batches, ScanLines};
pub use prevalence::Prevalence;
pub use record::{BaselineStatus, Correlation, EnrichedFinding, SUSPECT_AT, Subscores};
pub use risk::Profile;
