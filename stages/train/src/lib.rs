//! Stage `train`: trains a Llama on the answers of a chat dataset, in fp32 on the CPU: fresh weights, all weights of a base, or adapters
//! beside them.
//!
//! - [`params`]: what a pipeline can set. [`preset`]: the sizes of models. [`lora`]: the adapters, and their files. [`schedule`]: the
//!   learning rate of each step.
//! - [`data`]: the examples. [`start`]: the model before the first step.
//! - [`sampler`]: which examples make a step. [`batch`]: examples as tensors. [`mod@cut`]: how a step is cut. [`loss`]: head and loss in
//!   chunks. [`optimizer`]: Lion
//!   and AdamW. [`parameters`]: the weights that move, as one flat tensor. [`trainer`]: one step after the other.
//!   [`divergence`]: steps after which there is no next one.
//! - [`foresee`]: what can be said of it before it runs.
//! - [`checkpoint`]: state on disk, in files that [`flat_file`] writes and reads.
//! - [`outcome`]: the model's directory and the history; [`merge`]: what merging adapters changes; [`model_card`]: its page.
//!   [`tensorboard`]: the curves as event files.
//! - [`memory`]: what it will take, predicted; [`machine`]: what there is, and whether it fits; [`throughput`]: how fast it was.
//! - [`stage`]: card and run.
//!
//! The loss of a step is the sum over all its target tokens divided by their number, however the step is cut into micro-batches.

pub mod batch;
pub mod checkpoint;
pub mod cut;
pub mod data;
pub mod divergence;
pub mod flat_file;
mod foresee;
pub mod lora;
pub mod loss;
pub mod machine;
pub mod memory;
mod merge;
mod model_card;
pub mod optimizer;
mod outcome;
pub mod parameters;
pub mod params;
pub mod preset;
pub mod sampler;
pub mod schedule;
pub mod stage;
pub mod start;
pub mod tensorboard;
pub mod throughput;
pub mod trainer;

pub use params::TrainParams;
pub use stage::Train;
pub use trainer::Trainer;
