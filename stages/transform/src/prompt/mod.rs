//! What a prompt shows of findings.
//!
//! - [`visible`]: the view that a model has of one finding, and conclusions from exactly that. `seen`: its form by scanner, with
//!   `address` and `shorten`; `context`: what the thing is on a host of its role; [`joined`]: the correlations that name it.
//! - [`listing`]: many findings in one prompt. [`harmless`]: findings without text that acts on a terminal or a prompt.

mod address;
mod context;
pub mod harmless;
pub mod joined;
pub mod listing;
pub(crate) mod seen;
pub(crate) mod shorten;
pub mod visible;
