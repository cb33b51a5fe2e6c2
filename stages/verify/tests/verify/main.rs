//! The gate as a worker runs it: good input passes, each kind of damage trips one check and no other, and a failure stops.

mod damage;
mod fleet;
mod golden;
mod ids;
mod measured;
mod negative;
mod stops;
mod wiring;
mod workplace;
