//! Tables of the processes that start while a scan watches for them.

use serde::Deserialize;

/// In `by`: the kernel itself.
pub(crate) const KERNEL: &str = "kernel";

/// How many start, and what starts them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Executions {
    pub loads: Vec<Load>,
    pub activities: Vec<Activity>,
}

/// How busy a host is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    pub weight: u32,
    /// How many start in a scan.
    pub starts: [u32; 2],
}

/// Something that starts processes in a row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activity {
    pub weight: u32,
    /// The first is the most frequent.
    pub names: Vec<String>,
    pub burst: [u32; 2],
    /// The daemon that starts them, or `kernel`.
    pub by: Option<String>,
    #[serde(rename = "where", default)]
    pub place: Scene,
}

/// Hosts on which something goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scene {
    #[default]
    Any,
    /// No container.
    Host,
    Desktop,
    Developer,
    /// A host of containers.
    Containers,
}
