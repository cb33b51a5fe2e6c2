//! The stage as the worker runs it: [`reports`] that are valid and reproducible, [`sockets`] that belong to processes, [`stories`] of
//! attacks and look-alikes in them, what they do to the [`kernel`], and what [`reboots`] leave of these.

mod kernel;
mod reboots;
mod reports;
mod run;
mod sockets;
mod stories;
