//! GGUF v3: one file with metadata, tokenizer and tensors, for llama.cpp and its kin.
//!
//! - [`value`]: metadata values. [`tensor`]: tensor types and their blocks. [`mod@write`], [`read`]: the container; [`cursor`]
//!   reads its parts.
//! - [`llama`]: names, metadata and row order of a Llama. [`vocabulary`]: the tokenizer's metadata. [`about`]: name, author and
//!   licence. [`export`]: the whole file.
//! - [`model`]: a Llama read from a file. [`tokenizer`]: its tokenizer, rebuilt from the metadata.

pub mod about;
mod cursor;
pub mod export;
pub mod llama;
pub mod model;
pub mod read;
pub mod tensor;
pub mod tokenizer;
pub mod value;
pub mod vocabulary;
pub mod write;

pub use about::About;
pub use model::GgufModel;
pub use read::{GgufError, GgufErrorKind, GgufFile};
pub use tensor::{TensorInfo, TensorType};
pub use value::Value;

/// The first four bytes.
const MAGIC: &[u8; 4] = b"GGUF";

/// The version written.
const VERSION: u32 = 3;

/// The versions read; they differ in what big-endian machines write.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;

/// Tensor data starts at multiples of this, unless a file says otherwise.
const ALIGNMENT: u64 = 32;
