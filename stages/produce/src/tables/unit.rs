//! Tables of unit files, and of the ways in which hosts are scanned.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where packages put unit files.
const PACKAGES: &str = "/usr/lib/systemd/system";

/// Unit files of services.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Units {
    pub base: Vec<UnitGroup>,
    pub services: Vec<ServiceUnit>,
}

/// Units that set the same.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitGroup {
    pub sets: BTreeMap<String, String>,
    #[serde(default = "packages")]
    pub directory: String,
    pub names: Vec<String>,
}

/// The unit of a daemon.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceUnit {
    pub of: String,
    pub unit: String,
    #[serde(default = "packages")]
    pub directory: String,
    #[serde(default)]
    pub sets: BTreeMap<String, String>,
}

/// How a host is scanned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mode {
    pub weight: u32,
    #[serde(default)]
    pub fs_hygiene: bool,
    #[serde(default)]
    pub hardening: bool,
    /// How many unit files a scan with hardening checks reads.
    #[serde(default)]
    pub units: [u32; 2],
}

fn packages() -> String {
    PACKAGES.to_owned()
}
