//! The plan's graph.
//!
//! - [`figure`]: the boxes and wires of a drawing. [`text`]: as Mermaid or DOT. [`svg`]: as a picture, laid out by [`layout`].

pub mod figure;
mod layout;
pub mod svg;
mod text;

pub use text::{dot, json, mermaid};
