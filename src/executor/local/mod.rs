//! Carries out an action on this machine: [`workspace`] lays out its private directory, with its script ([`script`]) and its
//! secrets ([`secrets`]); [`spoiled`] watches what it reads, [`figures`] reads the metrics that it wrote, and [`undeclared`] says what
//! a command that failed probably lacked.

pub(crate) mod figures;
pub(crate) mod script;
pub(crate) mod secrets;
pub(crate) mod spoiled;
pub mod undeclared;
pub(crate) mod workspace;
