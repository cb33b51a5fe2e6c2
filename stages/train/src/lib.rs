//! Stage `train`: trains a Llama from fresh weights on the answers of a chat dataset, in fp32 on the CPU.
//!
//! - [`params`]: what a pipeline can set. [`preset`]: the sizes of models. [`schedule`]: the learning rate of each step.
//! - [`sampler`]: which examples make a step. [`batch`]: examples as tensors, and the loss. [`optimizer`]: Lion
//!   and AdamW. [`parameters`]: the weights that move, as one flat tensor. [`trainer`]: one step after the other.
//! - [`checkpoint`]: state on disk, in files that [`flat_file`] writes and reads.
//! - [`stage`]: card and run.
//!
//! The loss of a step is the sum over all its target tokens divided by their number, however the step is cut into micro-batches.

pub mod batch;
pub mod checkpoint;
pub mod flat_file;
pub mod optimizer;
pub mod parameters;
pub mod params;
pub mod preset;
pub mod sampler;
pub mod schedule;
pub mod stage;
pub mod trainer;

pub use params::TrainParams;
pub use stage::Train;
pub use trainer::Trainer;
