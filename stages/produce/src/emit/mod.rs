//! From the state of a host to findings, one file a scanner, in the scanner's words, formats and order.
//!
//! Severities come from `scan::rules` alone. Every function returns what the scanner reports and what it misses.

mod auditd;
mod containers;
mod ebpf_exec_trace;
mod integrity;
mod ioc;
pub(crate) mod kernel_hardening;
mod kernel_params;
mod mac;
mod modules;
mod mounts;
mod network;
mod output;
mod pci_compliance;
mod processes;
mod scanners;
mod suid_sgid;
mod systemd_units;
mod world_writable;
mod yara;

pub(crate) use output::{Output, Results};
pub(crate) use scanners::outputs;
