//! The files in which models are handed on: read and written here, without libtorch.
//!
//! - [`config`]: `config.json` of a Hugging Face Llama. [`rope`]: its scaling of rotary
//!   frequencies. [`linear`]: the names and shapes of its linears. [`error`]: what can be
//!   wrong with such a directory.
//!   [`foreseen`]: what is known of one that is still to be made.
//! - [`safetensors_file`], [`safetensors_writer`]: one safetensors file, its tensors read and written one by one. [`weights`]: the
//!   file or the shards of a model directory. [`source`]: a model to read from, whichever file it lies in. [`grid`]: the grid of
//!   codes that both containers share. [`network`]: a quantized network, as both store it. [`gptq`], [`gguf`]: the two containers.
//! - [`history`], [`layers`]: the figures that `train` and `quantize` leave for `evaluate`.

pub mod config;
pub mod error;
pub mod foreseen;
pub mod gguf;
pub mod gptq;
pub mod grid;
pub mod history;
pub mod layers;
pub mod linear;
pub mod network;
pub mod rope;
pub mod safetensors_file;
pub mod safetensors_writer;
pub mod source;
pub mod weights;

pub use config::Config;
pub use error::{LlamaError, LlamaErrorKind};
pub use foreseen::ForeseenConfig;
pub use layers::{LayerReport, LayersReport};
pub use linear::{Linear, Tap};
pub use rope::RopeScaling;
pub use source::ModelSource;
