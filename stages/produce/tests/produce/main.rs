//! The stage as the worker runs it: [`reports`] that are valid and reproducible, [`sockets`] that belong to processes, [`stories`] of
//! attacks and look-alikes in them, and what [`reboots`] leave of these.

mod reboots;
mod reports;
mod run;
mod sockets;
mod stories;
