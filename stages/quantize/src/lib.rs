//! Stage `quantize`: GPTQ to 4 bits, written as GPTQ safetensors and as GGUF Q4_0 from the same codes and scales.
//!
//! - [`hessian`], [`solver`]: GPTQ itself, for one linear. [`calibration`]: the batches it is calibrated on. [`walk`]: block after
//!   block through the network. [`network`]: what the containers can hold.
//! - [`mod@verify`]: reads both containers back and compares; the crate `formats` writes and reads them.
//! - [`params`], [`stage`]: what may be set, the run. [`refusal`]: what cannot be quantized.

pub mod calibration;
pub mod hessian;
pub mod network;
pub mod params;
pub mod refusal;
pub mod solver;
pub mod stage;
pub mod verify;
pub mod walk;

pub use params::{ActOrder, QuantizeParams, Sequence};
pub use stage::Quantize;
