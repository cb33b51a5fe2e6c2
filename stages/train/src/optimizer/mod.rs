//! How weights are updated.
//!
//! - [`update`]: what every optimizer does. [`lion`], [`adamw`]: the two there are. [`mod@clip`]: gradients that are too long.

pub mod adamw;
pub mod clip;
pub mod lion;
pub mod update;

pub use adamw::AdamW;
pub use clip::clip;
pub use lion::Lion;
pub use update::{Optimizer, Step};
