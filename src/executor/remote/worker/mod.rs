//! The instance's side: the engine again, for one action, on a store of its own that is filled from objects.
//!
//! ```text
//!   instance: lease ─> look for a result ─> inputs, checkpoint ─> LocalExecutor ─> outputs, result ─> attempt, lease given back
//!   keeper:   renews the lease, hears whether to stop           speaker: events and log as pieces, checkpoints
//! ```
//!
//! A lease that is lost ends everything at once, and nothing is written any more.

pub(super) mod checkpoints;
mod instance;
mod keeper;
mod speaker;

pub use instance::{Assignment, Departure, work};
