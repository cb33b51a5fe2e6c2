//! Files and directories as the store sees them. Nothing here knows a store.
//!
//! - [`stamp`]: the result of `stat`. [`hash`]: digests of bytes. [`open`]: opens only files, and waits for nothing.
//! - [`walk`]: everything below a directory; [`follow`]: the same, with links followed. [`measure`]: how much it is.
//! - [`removal`]: removes leftovers of programs. [`aside`]: moves things away and replaces nothing.

pub(super) mod aside;
pub(super) mod follow;
pub(super) mod hash;
pub(super) mod measure;
pub(super) mod open;
pub(super) mod removal;
pub(super) mod stamp;
pub(super) mod walk;
