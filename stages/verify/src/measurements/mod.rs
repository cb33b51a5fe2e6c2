//! Measurements over many scans: severity shares, leakage, and how real and simulated findings differ.
//!
//! A worker extracts what is needed from one scan; the extracts come together in the order of scans. Leakage and realism look at
//! samples of hosts, drawn by a hash of their names before anything is read, so memory is bounded and the draw does not depend
//! on threads.

mod comparison;
mod leakage;
mod marginals;
mod realism;
mod statistics;

pub use statistics::{Extract, Statistics, measure};
