//! Stage `produce`: simulates hosts and writes their scans, with the hidden truth apart.
//!
//! - `stage`: the kind, and the pass over the hosts.
//! - `host`: what a host is; `clock`: when it is scanned. `tables`: the data under `data/` that both draw from.
//! - `network`: what neighbouring hosts share.
//! - `world`: the state of a host at a scan, benign at first; `story` and `trace`: what attack chains and look-alikes do to it.
//! - `emit`: from state to findings, as the scanners would report it; `report`: the report around them; `truth`: the labels.
//! - `stream`: the random streams. Bytes depend on params alone, never on threads or machine.

mod clock;
mod emit;
mod host;
mod network;
pub mod params;
mod report;
mod stage;
mod story;
mod stream;
mod tables;
mod trace;
mod truth;
mod world;

pub use params::{Counts, ProduceParams};
pub use stage::Produce;
