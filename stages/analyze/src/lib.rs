//! Stage `analyze`: a directory of reports becomes an enriched report of each host's newest scan; and the asking of models, for this stage
//! and for `pipe ask`.
//!
//! - [`stage`]: params, card and run. [`runtime`]: a loaded model, and what it says. [`memory`]: what it takes, predicted before it is loaded.
//!   [`answer`]: the same as a program of its own, which `pipe ask` starts.

pub mod answer;
pub mod memory;
pub mod runtime;
pub mod stage;

pub use stage::{Analyze, AnalyzeParams};
