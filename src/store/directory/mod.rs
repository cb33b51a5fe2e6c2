//! The store's own directory: what makes it one, where things lie in it, and who uses it.
//!
//! - [`marker`]: what makes a directory a store; no other is touched. [`layout`]: where things lie.
//! - [`mend`]: what lies where something else belongs. [`scratch`] and [`rooms`]: directories of a process and of a run.
//! - [`lock`]: one execution an action. [`hold`]: who uses the store.

pub(super) mod hold;
pub(super) mod layout;
pub(super) mod lock;
pub(super) mod marker;
pub(super) mod mend;
pub(super) mod rooms;
pub(super) mod scratch;
