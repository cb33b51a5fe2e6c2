//! Stage `quantize`: GPTQ, written as GPTQ safetensors and as GGUF from the same codes and scales. Stage `export`: a model as plain GGUF.
//! Stage `analyst`: both containers with what the model has to know of its own use.
//!
//! - [`hessian`], [`scales`], [`solver`]: GPTQ itself, for one linear. [`calibration`]: the batches it is calibrated on. [`walk`]: block
//!   after block through the network. [`finished`]: the blocks that are done, on disk. [`plain`]: what is not quantized.
//! - [`preflight`]: what is checked before the first block. [`quantized`]: the network as the containers ask for it; the crate
//!   `formats` writes and reads them. [`mod@verify`]: reads both back and compares.
//! - [`params`], [`stage`], [`export`], [`analyst`]: what may be set, the runs. [`refusal`]: what cannot be quantized.

pub mod analyst;
pub mod calibration;
pub mod export;
pub mod finished;
pub mod hessian;
pub mod params;
pub mod plain;
pub mod preflight;
pub mod quantized;
pub mod refusal;
pub mod scales;
pub mod solver;
pub mod stage;
pub mod verify;
pub mod walk;

pub use analyst::Analyst;
pub use export::Export;
pub use params::{ActOrder, ExportParams, QuantizeParams, ScaleChoice, Sequence, ZeroPoint};
pub use stage::Quantize;
