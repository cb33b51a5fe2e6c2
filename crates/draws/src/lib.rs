//! Random draws that are the same on every machine and in every version of this workspace.
//!
//! The crate `rand` may change its distributions between versions, and outputs are content-addressed, so the distributions are
//! written here, in integers where that is possible.
//!
//! - [`Stream`]: a ChaCha8 stream, from a seed or a key. It has three bounded draws, since bytes depend on which one is used.
//! - [`SplitMix64`]: a generator for resampling that must be fast. [`mix`], [`hash`]: 64-bit hashes of a number and of a text.
//! - [`permutation`]: a Fisher-Yates shuffle over any of these draws.

mod shuffle;
mod splitmix;
mod stream;

pub use shuffle::permutation;
pub use splitmix::{SplitMix64, hash, mix};
pub use stream::Stream;
