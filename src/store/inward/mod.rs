//! Into the store.
//!
//! - [`ingest`] copies from the workspace, [`adopt`] takes from a private directory, [`recover`] takes lost objects back.
//! - [`around`] copies a directory in which others write. [`compose`] makes a directory of files that the store has.
//! - [`survey`]: whether something could be taken in, without reading it.

pub(super) mod adopt;
pub(super) mod around;
pub(super) mod compose;
pub(super) mod ingest;
pub(super) mod recover;
pub(super) mod survey;
