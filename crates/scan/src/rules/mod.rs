//! The severity rules of the scanner (sys-scan 6.0.0), one file a scanner, as pure functions.
//!
//! `produce` gives severities only through these; [`severity_of`] applies them to a finding of a report, so that a check can
//! say whether a severity is the one the scanner would have given. Scanners without a file here have one severity for all.

pub mod auditd;
pub mod integrity;
pub mod ioc;
pub mod kernel_hardening;
pub mod kernel_params;
pub mod mac;
pub mod modules;
pub mod mounts;
pub mod network;
pub mod pci_compliance;
pub mod suid_sgid;
pub mod systemd_units;
pub mod world_writable;

use crate::finding::Finding;
use crate::severity::Severity;

/// Facts about the host on which severities depend. A report does not say whether its host is a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostContext {
    /// The scan ran in a container (`/.dockerenv` or `/run/.containerenv` exists).
    pub container: bool,
    /// AppArmor is on.
    pub apparmor: bool,
}

/// The severity that the scanner gives to `finding`; `None` where it has no rule here, or the finding is none of its kinds.
pub fn severity_of(scanner: &str, finding: &Finding, host: HostContext) -> Option<Severity> {
    match scanner {
        _ if finding.id.strip_suffix(":error") == Some(scanner) => Some(Severity::Error),
        "processes" => Some(Severity::Info),
        "network" => network::of_finding(finding),
        "kernel_params" => kernel_params::of_finding(finding),
        "modules" => modules::of_finding(finding),
        "suid_sgid" => Some(suid_sgid::severity(&finding.id)),
        "world_writable" => world_writable::of_finding(finding),
        "ioc" => Some(ioc::severity(ioc::Traits::of_finding(finding))),
        "mac" => mac::of_finding(finding, host),
        "systemd_units" => systemd_units::of_finding(finding),
        "kernel_hardening" => kernel_hardening::of_finding(finding),
        "mounts" => mounts::of_finding(finding),
        "auditd" => auditd::of_finding(finding),
        "integrity" => integrity::of_finding(finding),
        "pci_compliance" => pci_compliance::of_finding(finding),
        "containers" => Some(Severity::Info),
        "yara" => Some(Severity::Medium),
        "ebpf_exec_trace" if finding.id.starts_with("ebpf:error:") => Some(Severity::High),
        "ebpf_exec_trace" => Some(Severity::Info),
        _ => None,
    }
}
