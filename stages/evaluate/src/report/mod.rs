//! The report: one HTML page with its style and pictures inside, no scripts and no links, readable in light and dark.
//!
//! - [`page`]: the page. [`html`]: escaping and tables. [`mod@format`]: figures as people read them.
//! - [`loss_curve`], [`layer_errors`], [`confusion_matrix`]: pictures, each an SVG with a title and a description for those who
//!   hear it. [`axis`]: where their ticks stand.

mod axis;
mod confusion_matrix;
mod format;
mod html;
mod layer_errors;
mod loss_curve;
mod page;

pub use page::{Example, Report};
