//! Stage `quantize`: GPTQ to 4 bits, written as GPTQ safetensors and as GGUF Q4_0 from the same codes and scales.
//!
//! - [`grid`]: the 4-bit grid both containers share. [`hessian`], [`solver`]: GPTQ itself, for one linear.
//! - [`calibration`]: the batches it is calibrated on. [`walk`]: block after block through the network.
//! - [`network`]: the result. [`gptq`], [`gguf`]: the two containers. [`mod@verify`]: reads both back and compares.
//! - [`params`], [`layers`], [`stage`]: what may be set, what is reported, the run. [`refusal`]: what cannot be quantized.

pub mod calibration;
pub mod gguf;
pub mod gptq;
pub mod grid;
pub mod hessian;
pub mod layers;
pub mod network;
pub mod params;
pub mod refusal;
pub mod solver;
pub mod stage;
pub mod verify;
pub mod walk;

pub use layers::{LayerReport, LayersReport};
pub use params::{ActOrder, QuantizeParams, Sequence};
pub use stage::Quantize;
