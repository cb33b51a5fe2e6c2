//! Stage `correlate`: enriches every finding and joins findings into correlations.
//!
//! - [`stage`]: params, card, and the passes over the hosts. [`host`]: one host's scans, in the order of time; [`spill`]: its lines until they
//!   are written.
//! - [`baseline`]: the contents of the host's earlier scans; [`counted`]: the counts of the agent's own baseline. [`sides`], [`join`]: evaluate
//!   rules on a scan, and give [`matched`].
//!   [`history`]: joins with earlier scans. [`fleet`]: joins across hosts. [`graph`]: clusters, and [`late`]: the joins that ask for them.
//!
//! Its output is defined in the crate `findings`, its rules lie in the crate `rules`. It knows nothing of truth, prompts or documents.

pub mod baseline;
pub mod counted;
pub mod fleet;
pub mod graph;
pub mod history;
pub mod host;
pub mod join;
pub mod late;
pub mod matched;
pub mod sides;
pub mod spill;
pub mod stage;

pub use stage::{Correlate, CorrelateParams};
