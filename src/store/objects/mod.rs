//! Blobs and trees under their digests, and the evidence, without reading them, that they are untouched.
//!
//! - [`manifest`]: the entries of a directory. [`tree`]: such a directory in the store. [`install`]: puts an object under its name.
//! - [`check`]: whether an artifact is sound, by its [`seal`], by the [`memo`] ([`memo_file`]: its file) or by its bytes.
//!   [`touches`]: the last changes that this process itself made to objects.

pub(super) mod check;
pub(super) mod install;
pub(super) mod manifest;
pub(super) mod memo;
pub(super) mod memo_file;
pub(super) mod seal;
pub(super) mod touches;
pub(super) mod tree;
