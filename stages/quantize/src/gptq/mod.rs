//! GPTQ safetensors: a Hugging Face directory whose linears are packed codes, scales, zeros and group indices.
//!
//! - [`pack`]: codes to 32-bit words and back. [`write`]: the directory, in format v1, symmetric. [`read`]: back to codes, or to
//!   a model with the weights they stand for.

pub mod pack;
pub mod read;
pub mod write;

pub use read::{GptqDirectory, GptqError, GptqErrorKind};
