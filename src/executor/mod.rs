//! Where actions are carried out: [`local`], on this machine.

pub mod local;
