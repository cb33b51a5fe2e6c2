//! A store beyond this machine, and how records travel between it and the local one.
//!
//! ```text
//!   push, pull ──> Remote (names, marker) ──> Objects ──> directory          a directory on this machine
//!                                                    └──> program ══pipes══> pipe-aws and others
//! ```
//!
//! - [`objects`]: the interface of an object store: named bytes with conditional writes. [`directory`], [`program`]: its implementations.
//! - [`place`]: the location of a remote, as the settings give it. [`names`]: the names of its objects.
//! - [`machines`]: places where a backend program also launches instances.
//! - [`open`]: an opened remote. [`marker`]: the object that makes a prefix a store and records whether conditional writes work there.
//! - [`push`]: blobs, manifests, then records. [`pull`]: the same way back, with everything checked. [`lanes`]: many transfers at once.
//!   [`document`]: small objects, read and written by name.
//!   [`vault`]: secrets that a service keeps. [`collect`]: garbage collection. [`actions`]: the state of stages that run elsewhere, as the collection needs it.
//!
//! All calls block, and a run whose stages are all local hits makes none. The store (`store::parcel`) decides which objects make up a
//! record and which of them may get a name in the local store.

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
mod vault;

pub use actions::DEAD_AFTER;
pub use collect::{Kept, RemoteCollected};
pub use contract::backend::FailedClass;
pub use error::{RemoteError, TransferError};
pub use machines::{Instances, Machines};
pub use meter::Meter;
pub(crate) use objects::{Condition, Put, Version};
pub use open::{Conditions, Remote, Survey};
pub use place::{Checksums, OF_AWS, Place, Scheme, Unusable, wrong_endpoint};
pub use pull::{Extent, Pulled, Refused, Wanted};
pub use push::Pushed;
pub use vault::Vault;
