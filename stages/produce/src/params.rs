//! The params of `produce`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Params of `produce`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProduceParams {
    /// Decides every byte, with the other params.
    pub seed: u64,
    /// Simulated hosts.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub hosts: u32,
    /// Scans of each host, about a day apart.
    #[schemars(range(min = 1, max = 10_000))]
    pub scans_per_host: u32,
    /// Share of hosts with an attack chain.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub attack_rate: f64,
    /// How far scans blur what happened.
    pub noise: Noise,
    /// Upper bounds of findings per host and scan. A producer not named keeps its natural number; 0 switches it off.
    pub counts: Counts,
}

impl Default for ProduceParams {
    fn default() -> Self {
        ProduceParams {
            seed: 42,
            hosts: 40,
            scans_per_host: 2,
            attack_rate: 0.4,
            noise: Noise::default(),
            counts: Counts::default(),
        }
    }
}

/// What makes chains harder to see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Share of the traces of chains and look-alikes that a scan misses.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub missed: f64,
    /// Factor on the share of hosts that show each benign look-alike; 0 for none.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub lookalikes: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Noise { missed: 0.06, lookalikes: 1.0 }
    }
}

/// Upper bounds by producer. Findings of attack chains are kept first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Running processes.
    pub processes: Option<u32>,
    /// Sockets.
    pub network: Option<u32>,
    /// Kernel parameters.
    pub kernel_params: Option<u32>,
    /// Kernel modules.
    pub modules: Option<u32>,
    /// World-writable files.
    pub world_writable: Option<u32>,
    /// Programs with the setuid or setgid bit; the scanner's name is `suid_sgid`.
    pub suid: Option<u32>,
    /// Indicators of compromise.
    pub ioc: Option<u32>,
    /// Mandatory access control.
    pub mac: Option<u32>,
}
