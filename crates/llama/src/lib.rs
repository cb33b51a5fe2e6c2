//! The Llama model on libtorch, with Hugging Face names and formats.
//!
//! - [`placement`]: the device and the precision. [`model`]: the whole network. [`block`]: one decoder layer, with taps at the inputs of its linears (what GPTQ needs).
//!   [`projection`]: one of its linears, [`adapter`]: what is trained beside a frozen one, [`dropout`]: what is dropped before it.
//!   [`taps`]: a layer part by part, or alone. [`rotary`]: position encoding. [`generate`]: decoding with a key-value cache, free or within a mask;
//!   [`sampling`]: the next token drawn.
//! - [`weights`]: from files to tensors and back; the files themselves are the crate `formats`. [`init`]: fresh weights from a seed.
//!
//! Batches are padded on the right: attention is causal, so no real token ever sees the padding and no mask is needed.

pub mod adapter;
pub mod block;
pub mod dropout;
pub mod generate;
pub mod init;
pub mod model;
pub mod placement;
pub mod projection;
pub mod rotary;
pub mod sampling;
pub mod taps;
pub mod weights;

pub use adapter::AdapterShape;
pub use block::Block;
pub use dropout::Dropout;
pub use formats::{Config, Linear, LlamaError, RopeScaling, Tap};
pub use grammar::Mask;
pub use model::Llama;
pub use placement::{DeviceChoice, Placement, PlacementError, Precision};
pub use rotary::{Angles, Rotary};
pub use sampling::Sampling;
pub use taps::Stopped;
