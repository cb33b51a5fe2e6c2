//! Blobs and trees under their digests, and what shows without reading that they are untouched.
//!
//! - [`manifest`]: what a directory contains. [`tree`]: such a directory in the store. [`install`]: puts an object under its name.
//! - [`check`]: whether an artifact is sound, by its [`seal`], by the [`memo`] ([`memo_file`]: its file) or by its bytes.
//!   [`touches`]: what this process itself did to objects.

pub(super) mod check;
pub(super) mod install;
pub(super) mod manifest;
pub(super) mod memo;
pub(super) mod memo_file;
pub(super) mod seal;
pub(super) mod touches;
pub(super) mod tree;
