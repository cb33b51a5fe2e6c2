//! A store beyond this machine, and how records travel between it and the local one.
//!
//! ```text
//!   push, pull ──> Remote (names, marker) ──> Objects ──> directory          a directory on this machine
//!                                                    └──> program ══pipes══> pipe-aws and others
//! ```
//!
//! - [`objects`]: what a place offers: named bytes with conditional writes. [`directory`], [`program`]: the two that serve it.
//! - [`place`]: where a remote is, as the settings say it. [`names`]: which object is called how.
//! - [`machines`]: places where a program launches instances besides.
//! - [`open`]: a remote that was recognized. [`marker`]: what makes a prefix a store, and what the place can do.
//! - [`push`]: blobs, manifests, then records. [`pull`]: the same way back, with everything checked. [`lanes`]: many transfers at once.
//!   [`document`]: small objects, read and written by name.
//!   [`collect`]: what nobody needs there any more. [`actions`]: what stages that run elsewhere need.
//!
//! Everything blocks, and nothing here is entered by a run whose stages are all local hits. What a record consists of, and what may
//! get a name in the local store, is the store's to say (`store::parcel`).

mod actions;
mod collect;
mod directory;
mod document;
mod error;
mod lanes;
mod machines;
mod marker;
mod meter;
mod names;
mod objects;
mod open;
mod place;
mod program;
mod pull;
mod push;

pub use actions::DEAD_AFTER;
pub use collect::{Kept, RemoteCollected};
pub use contract::backend::FailedClass;
pub use error::{RemoteError, TransferError};
pub use machines::{Instances, Machines};
pub use meter::Meter;
pub(crate) use objects::{Condition, Put, Version};
pub use open::{Conditions, Remote, Survey};
pub use place::{Checksums, Place, Scheme, Unusable};
pub use pull::{Extent, Pulled, Refused, Wanted};
pub use push::Pushed;
