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
//! - [`place`]: a place as the settings describe it. [`launcher`]: the seam to what runs there, with two implementations: [`loopback`],
//!   a process of this machine as an instance, and [`backend`], a program that speaks docs/backend-protocol.md.
//! - [`executor`]: what executions share. [`driver`]: the client's side of one. [`launching`]: the launch of an attempt. [`following`]: what is
//!   read while a worker lives. [`standing`]: whether one is to be launched: pure.
//!   [`farewell`]: whether it is left running. [`pace`]: when it is looked again. [`teller`], [`attempts`]: what is said of it, at once and in the report.
//! - [`worker`]: the instance's side, which is the engine again. [`lease`]: its right to write.
//! - [`bundle`]: the programs that travel to an instance.
//! - [`census`]: what runs at a place, for people. [`watch`]: what it says, until it is over.

mod attempts;
mod backend;
mod board;
pub mod bundle;
mod census;
mod documents;
mod driver;
mod executor;
mod farewell;
mod following;
mod launcher;
mod launching;
mod lease;
mod loopback;
mod pace;
mod place;
mod standing;
mod teller;
mod watch;
pub mod worker;

pub use census::{Occupant, Standing, occupants, reap};
pub use documents::Timing;
pub use executor::RemoteExecutor;
pub(crate) use loopback::INSTANCES;
pub use loopback::is_of_instance;
pub(crate) use place::SETUP;
pub use place::{Launches, RemotePlace};
pub use watch::{Said, follow};
