//! The protocol between the engine and a backend program, one JSON object a line: requests on the program's standard
//! input, answers on its standard output. docs/backend-protocol.md tells the rules; these types are its form.
//!
//! A backend program gives the engine a place beyond this machine. It offers *objects*: named bytes with conditional
//! writes, and where its place has machines also *instances*, on which the engine carries out a stage. It may read *secrets* that a
//! service keeps, for the stage that names them. It knows nothing of artifacts, records or stages: names and keys are opaque to it, and digests are the engine's.

mod answer;
mod instance;
mod request;
mod secret;

pub use answer::{Answer, Done, Failed, FailedClass, Found, Listed, Listing, Note, Offer, Put, Sizes, Welcome};
pub use instance::{
    AskPrices, Attach, Bundle, Ended, Instance, Instances, Log, Logs, Piece, Prices, Reap, State, Stop, Submit,
};
pub use request::{
    Body, Cancel, Checksums, Condition, Delete, Get, Has, Hello, List, Objects, Operation, PutObject, Request, S3,
};
pub use secret::{Secret, SecretService, SecretValue};

/// The version of these lines. A program that speaks another refuses the hello.
pub const PROTOCOL: u32 = 1;

/// Bytes of an object that may travel inside a line, as `text`.
pub const TEXT_LIMIT: u64 = 1 << 20;

/// Names in one `has`, and in one `delete`.
pub const NAMES_LIMIT: usize = 10_000;
