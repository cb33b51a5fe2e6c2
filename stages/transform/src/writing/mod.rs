//! The files of a dataset.
//!
//! - [`dataset`], [`parquet_files`]: the examples, read back as `conversation`s where that is needed.
//! - [`manifest`], [`data_card`], [`license`]: the description. [`measure`]: lengths in tokens.

mod conversation;
pub mod data_card;
pub mod dataset;
pub mod license;
pub mod manifest;
pub mod measure;
pub mod parquet_files;
