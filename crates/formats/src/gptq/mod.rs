//! GPTQ safetensors: a Hugging Face directory whose linears are packed codes, scales, zeros and group indices.
//!
//! - [`pack`]: codes to 32-bit words and back. [`mod@write`]: the directory, in format v1 or v2. [`config`]: what a directory says of
//!   its codes. [`read`]: back to codes.

pub mod config;
pub mod pack;
pub mod read;
pub mod write;

pub use config::QuantizationConfig;
pub use read::{GptqDirectory, GptqError, GptqErrorKind};
