//! The stage as the worker runs it: [`reports`] that are valid and reproducible, [`stories`] of attacks and look-alikes in them.

mod reports;
mod run;
mod stories;
