//! The Llama model on libtorch, fp32, with Hugging Face names and formats.
//!
//! - [`config`]: `config.json`, read and written. [`weights`]: safetensors files. [`init`]: fresh weights from a seed.
//! - [`model`]: the whole network. [`block`]: one decoder layer, with taps at the inputs of its linears (what GPTQ needs).
//! - [`linear`]: the names of those linears. [`rotary`]: position encoding. [`generate`]: greedy decoding with a key-value cache.
//!
//! Batches are padded on the right: attention is causal, so no real token ever sees the padding and no mask is needed.

pub mod block;
pub mod config;
mod error;
pub mod generate;
pub mod init;
pub mod linear;
pub mod model;
pub mod rotary;
pub mod weights;

pub use block::Block;
pub use config::Config;
pub use error::LlamaError;
pub use linear::{Linear, Tap};
pub use model::Llama;
pub use rotary::{Angles, Rotary};
