//! Out of the store.
//!
//! - [`materialize`] into a private directory; [`placed`]: whether the file there stayed as it was. [`place`]: one file, as a link or a copy.
//! - [`publish`] into the workspace, destroying nothing there, by [`swap`]; [`vacate`] makes room for a program there.
//!   [`claims`]: who publishes where. [`ours`]: which files there are ours.
//! - [`copy_out`] to anywhere else, for keeps.

pub(super) mod claims;
pub(super) mod copy_out;
pub(super) mod materialize;
pub(super) mod ours;
pub(super) mod place;
pub(super) mod placed;
pub(super) mod publish;
pub(super) mod swap;
pub(super) mod vacate;
