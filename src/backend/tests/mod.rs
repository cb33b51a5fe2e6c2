//! The local backend against real processes. Nothing waits for time to pass: stages and tests wait for each other through
//! events and FIFOs, under one generous guard against hanging.

mod ends;
mod jobs;
mod outcomes;
mod python;
mod rig;
mod talk;
