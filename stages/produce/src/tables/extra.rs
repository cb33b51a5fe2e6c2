//! Tables for the scanners that only some scans run: unit files, mounts, packages, programs; and of which scans run what.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where packages put unit files.
const PACKAGES: &str = "/usr/lib/systemd/system";

/// Programs with privileges that only some hosts have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Programs {
    pub setuid: Vec<Program>,
    pub capabilities: Vec<Program>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    pub path: String,
    /// Share of hosts, per mille.
    pub share: u32,
}

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
    #[serde(default)]
    pub compliance: bool,
    #[serde(default)]
    pub integrity: bool,
    /// Packages are verified.
    #[serde(default)]
    pub verify: bool,
    /// How many binaries hold a pattern; none without rules.
    #[serde(default)]
    pub yara: [u32; 2],
    /// Executions are not watched.
    #[serde(default)]
    pub untraced: bool,
    /// How many unit files a scan with hardening checks reads.
    #[serde(default)]
    pub units: [u32; 2],
}

/// A mount that a host may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mount {
    pub place: String,
    pub device: String,
    pub filesystem: String,
    /// Of hosts, per mille.
    pub share: u32,
    pub options: Vec<String>,
    #[serde(default = "yes")]
    pub desktop: bool,
}

/// Lines that tools which verify packages print.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mismatches {
    pub dpkg: Vec<String>,
    pub rpm: Vec<String>,
}

/// Programs that hold a pattern.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binaries {
    pub pattern: String,
    pub names: Vec<String>,
}

fn yes() -> bool {
    true
}

fn packages() -> String {
    PACKAGES.to_owned()
}
