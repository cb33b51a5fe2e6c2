//! Looks after the store.
//!
//! - [`inventory`]: what there is. [`scrub`] reads it all. [`collect`] removes what nobody needs.

pub(super) mod collect;
pub(super) mod inventory;
pub(super) mod scrub;
