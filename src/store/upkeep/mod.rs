//! Looks after the store.
//!
//! - [`inventory`]: the list of all content. [`scrub`] reads it all. [`collect`] removes everything that nobody needs.

pub(super) mod collect;
pub(super) mod inventory;
pub(super) mod scrub;
