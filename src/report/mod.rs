//! Everything that is printed or written for people and programs.
//!
//! - [`screen`]: a run while it runs. [`run`]: a run as a document. [`graph`]: the plan's graph as text and as a picture.
//! - [`problems`]: what is wrong with a pipeline, with file, line and caret.
//! - [`schemas`]: what all of this looks like, for programs. [`observers`]: what only counts events or passes them on.
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
pub use run::{compare, journal, lines, outlook, summary};
pub use screen::{plain, progress, rows};
