//! Executes stages at a place beyond this machine, which offers objects (`crate::remote`) and a way to start an instance.
//!
//! ```text
//!   client: RemoteExecutor ──> spec, intent ──> launch ───────────────> worker: lease, LocalExecutor on its own store
//!              ^                                                            │
//!              └── events, log, attempt, result <── objects <───────────────┘
//! ```
//!
//! All state of an action lies in objects below `actions/<key>/` ([`documents`]; read and written by [`board`]). So a client with access to
//! the objects can follow: the next `pipe run` replaces a client that died. An intent is written before each launch and only by one
//! client, the lease says which attempt counts, and the result is written once.
//!
//! - [`place`]: a place as the settings describe it. [`launcher`]: the interface to its instances, with two implementations: [`loopback`],
//!   a process of this machine as an instance, and [`backend`], a program that speaks docs/backend-protocol.md.
//! - [`executor`]: the state that executions share. [`driver`]: the client's side of one. [`launching`]: the launch of an attempt.
//!   [`following`]: the client's reading while a worker lives. [`standing`]: whether to launch one: pure. [`farewell`]: whether to leave it
//!   running. [`pace`]: the polling interval. [`teller`], [`attempts`]: news of it for the user, at once and in the report.
//! - [`allowance`]: what the run may cost at all places together.
//! - [`worker`]: the instance's side, which is the engine again. [`lease`]: its right to write.
//! - [`bundle`]: the programs that travel to an instance.
//! - [`mod@recall`]: brings home the result or the checkpoint of an action before this machine carries it out.
//! - [`census`]: lists and ends the actions at a place, for people. [`watch`]: follows their output until they are over.

mod allowance;
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
mod recall;
mod standing;
mod teller;
mod watch;
pub mod worker;

pub use allowance::Allowance;
pub use census::{Occupant, Standing, occupants, reap};
pub use documents::Timing;
pub use executor::RemoteExecutor;
pub(crate) use loopback::INSTANCES;
pub use loopback::is_of_instance;
pub(crate) use place::SETUP;
pub use place::{Launches, RemotePlace};
pub use recall::{Recalled, recall};
pub use watch::{Said, follow};
