//! The resources that an execution used on its machine.

use serde::{Deserialize, Serialize};

/// What a worker's whole process tree took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// Peak resident bytes of its largest process.
    pub peak_memory: u64,
}
