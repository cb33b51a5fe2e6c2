//! Tests of the crate, one program: linking libtorch takes longer than running them.

mod damaged;
mod golden;
mod micro;
mod solver;
mod stage;
