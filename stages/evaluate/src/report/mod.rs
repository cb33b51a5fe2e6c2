//! The report: one HTML page with its style and pictures inside, no scripts and no links, readable in light and dark, on a telephone
//! and on a wide screen. What failed comes first.
//!
//! - [`page`]: the page. [`failures`], [`provenance`], [`tasks`], [`texts`], [`reality`], [`policy`], [`answers`]: its parts.
//! - [`html`]: escaping and tables. [`mod@format`]: figures as people read them.
//! - [`loss_curve`], [`layer_errors`], [`confusion_matrix`]: pictures, each an SVG with a title and a description for those who
//!   hear it. [`axis`]: where their ticks stand.

mod answers;
mod axis;
mod confusion_matrix;
mod failures;
mod format;
mod html;
mod layer_errors;
mod loss_curve;
mod page;
mod policy;
mod provenance;
mod reality;
mod tasks;
mod texts;

pub use answers::Shown;
pub use page::Report;
