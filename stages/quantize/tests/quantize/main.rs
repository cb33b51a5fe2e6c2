//! Tests of the crate, one program: linking libtorch takes longer than running them.

mod golden;
mod micro;
mod solver;
mod stage;
