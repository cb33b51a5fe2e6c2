//! GGUF v3: one file with metadata, tokenizer and tensors, for llama.cpp and its kin.
//!
//! - [`value`]: metadata values. [`tensor`]: tensor types and their blocks. [`mod@write`], [`read`]: the container.
//! - [`llama`]: names, metadata and row order of a Llama. [`vocabulary`]: the tokenizer's metadata. [`export`]: the whole file.

pub mod export;
pub mod llama;
pub mod read;
pub mod tensor;
pub mod value;
pub mod vocabulary;
pub mod write;

pub use read::{GgufError, GgufErrorKind, GgufFile};
pub use tensor::{TensorInfo, TensorType};
pub use value::Value;

/// The first four bytes.
const MAGIC: &[u8; 4] = b"GGUF";

/// The version written, and the only one read.
const VERSION: u32 = 3;

/// Tensor data starts at multiples of this.
const ALIGNMENT: u64 = 32;
