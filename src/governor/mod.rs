//! How much may run now.
//!
//! The [`Governor`] decides: it keeps the running stages, and answers [`Governor::admit`] with now or wait, and why. It reads no
//! machine, no clock and no process; [`policy`] turns samples into pressure. Only `probe` looks at the machine, when the
//! run loop asks it to: memory and load by others from sysinfo, limits from cgroups, our own processes and the time lost to memory
//! from `/proc`, the memory of GPUs from NVML.
//!
//! Above 80 % nothing new starts until below 70 %. Pressure that lasts pauses the youngest stages, and takes back paused ones when
//! it is memory that is short (`escalation`). One local stage always runs.

mod admission;
mod cgroup;
mod escalation;
mod gpus;
mod nvml;
mod own;
mod policy;
mod probe;
mod psi;
mod scripted;

pub use admission::{Admission, Governor, Reason, Request};
pub use escalation::{Decision, Relief};
pub use gpus::gpus;
pub use policy::{Change, Gate, Limits, Machine, Memory, Pressure, Sample};
pub use probe::{Probe, SystemProbe, cores, host_name};
pub use scripted::probe;
