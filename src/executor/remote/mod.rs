//! A place beyond this machine, whichever it is: what it offers is objects (`crate::remote`) and a way to start an instance.
//!
//! ```text
//!   client: RemoteExecutor ──> spec, intent ──> launch ───────────────> worker: lease, LocalExecutor on its own store
//!              ^                                                            │
//!              └── events, log, attempt, result <── objects <───────────────┘
//! ```
//!
//! All state of an action lies in objects below `actions/<key>/` ([`documents`]; read and written by [`board`]). So whoever has the
//! objects can follow: a client that died is replaced by the next `pipe run`. An intent is written before each launch and only by one
//! client, the lease says which attempt is the one that counts, and the result is written once.
//!
//! - [`driver`]: the client's side. [`following`]: what it reads while a worker lives. [`standing`]: whether one is to be launched: pure.
//! - [`worker`]: the instance's side, which is the engine again. [`lease`]: its right to write.
//! - [`census`]: what runs at a place, for people. [`loopback`]: a process of this machine as an instance.

mod board;
mod census;
mod documents;
mod driver;
mod following;
mod lease;
mod loopback;
mod standing;
pub mod worker;

pub use census::{Occupant, Standing, occupants, reap};
pub use documents::Timing;
pub use driver::RemoteExecutor;
pub use loopback::{Loopback, is_of_instance};
