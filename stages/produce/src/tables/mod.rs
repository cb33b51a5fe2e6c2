//! The data tables under `data/`: what hosts, services, look-alikes and attack chains there are.
//!
//! A reader edits the YAML, never Rust. The tables are embedded, so a worker needs no file besides itself; a table that does
//! not read is a bug of this crate, and its test says where.

mod choices;
mod embedded;
mod executions;
mod extra;
mod host;
mod service;
mod template;
mod trace;
mod vocabulary;

pub(crate) use choices::Choices;
pub(crate) use embedded::TABLES;
pub(crate) use executions::{Activity, Executions, KERNEL, Scene};
pub(crate) use extra::{Binaries, Mismatches, Mode, Mount, Program, Programs, Units};
pub(crate) use host::{Distribution, Mac, Role};
pub(crate) use service::{Account, Bind, Casual, Listener, Protocol, Service, Site, Where};
pub(crate) use template::{Step, Template};
pub(crate) use trace::{
    AlterTrace, Anomaly, Direction, ExposeTrace, FirmwareChange, MacChange, ModuleTrace, Owner, ParamTrace, Place,
    ProcessTrace, Remote, SocketState, SocketTrace, Trace, WritableCheck,
};
