//! Everything that is printed or written for people and programs.
//!
//! - [`screen`]: a run while it runs. [`run`]: a run as a document. [`graph`]: the plan's graph as text and as a picture.
//! - [`problems`]: the problems of a pipeline, with file, line and caret.
//! - [`schemas`]: the schemas of all of this, for programs. [`observers`]: observers that only count events or pass them on.
//! - [`clean`]: text of others, which may not act on a terminal. [`style`]: colours, only on a terminal.
//!   [`units`]: bytes, seconds and times as people read them.

pub mod clean;
pub mod graph;
mod observers;
pub mod problems;
mod run;
pub mod schemas;
mod screen;
pub mod style;
pub mod units;

pub use graph::{figure, svg};
pub use observers::{Displaced, Fanout, Recent};
pub use run::{compare, cost, estimate, journal, lines, outlook, summary};
pub use screen::{plain, progress, rows};
