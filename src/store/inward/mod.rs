//! Into the store.
//!
//! - [`ingest`] copies from it, [`adopt`] takes from a private directory, [`recover`] takes lost objects back from the workspace.
//! - [`survey`]: whether something could be taken in, without reading it.

pub(super) mod adopt;
pub(super) mod ingest;
pub(super) mod recover;
pub(super) mod survey;
