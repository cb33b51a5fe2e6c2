//! The store's own directory: its marker, its layout, and its users.
//!
//! - [`marker`]: makes a directory a store; no other is touched. [`layout`]: where things lie.
//! - [`mend`]: moves misplaced things aside. [`scratch`] and [`rooms`]: directories of a process and of a run.
//! - [`lock`]: one execution an action. [`hold`]: who uses the store.

pub(super) mod hold;
pub(super) mod layout;
pub(super) mod lock;
pub(super) mod marker;
pub(super) mod mend;
pub(super) mod rooms;
pub(super) mod scratch;
