//! The v3 category of a finding, and how much a category weighs in each risk profile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent;
use crate::risk::Profile;

/// A category of the agent's fact pack (`v3.json`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A running process.
    Process,
    /// A socket.
    NetworkSocket,
    /// A kernel parameter.
    KernelParam,
    /// A kernel module.
    KernelModule,
    /// A file, directory or mount.
    Filesystem,
    /// A way to more privileges: SUID and SGID programs.
    PrivilegeEscalationSurface,
    /// A sign of compromise.
    Ioc,
    /// Mandatory access control.
    Mac,
    /// Integrity of packages and files.
    Integrity,
    /// Added by a rule.
    RuleEnrichment,
    /// Everything else.
    Other,
}

impl Category {
    /// The category of a scanner's findings.
    pub fn of_scanner(scanner: &str) -> Category {
        match scanner {
            "processes" => Category::Process,
            "network" => Category::NetworkSocket,
            "kernel_params" | "kernel_hardening" => Category::KernelParam,
            "modules" => Category::KernelModule,
            "world_writable" | "mounts" => Category::Filesystem,
            "suid_sgid" | "suid" => Category::PrivilegeEscalationSurface,
            "ioc" => Category::Ioc,
            "mac" => Category::Mac,
            "integrity" => Category::Integrity,
            _ => Category::Other,
        }
    }

    /// The factor on the impact.
    pub fn weight(self) -> f64 {
        match self {
            Category::Ioc => 2.0,
            Category::PrivilegeEscalationSurface => 1.5,
            Category::NetworkSocket => 1.3,
            Category::KernelModule => 1.2,
            Category::KernelParam => 1.1,
            _ => 1.0,
        }
    }
}

/// The factor that `profile` gives a scanner's findings. The agent's mapping misses some of the names the scanner uses, and
/// its figures are reproduced with that gap.
pub fn weight(profile: Profile, scanner: &str) -> f64 {
    match profile {
        Profile::Intended => Category::of_scanner(scanner).weight(),
        Profile::Agent => agent::category(scanner).weight(),
    }
}
