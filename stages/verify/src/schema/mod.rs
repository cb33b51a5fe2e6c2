//! The two fixed schemas, compiled once, and a walk that holds JSON text against one of them without building a tree.
//!
//! Every violation is told with the JSON pointer of the value that is wrong, as the keywords of JSON Schema 2020-12 have it. The
//! keywords are those that the two schemas use; [`Schema::compile`] refuses any other, so a new edition of a schema cannot be
//! half understood. The crate `jsonschema` is the reference in the tests; it needs a tree of each document first.

mod compiled;
mod node;
mod path;
mod walk;

pub use compiled::{GROUND_TRUTH, Mismatch, SCANNER_REPORT, Schema};
