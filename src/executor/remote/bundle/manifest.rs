//! `bundle.json`: the files of a bundle and their requirements of a machine. Digests stand in the directory's own manifest.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Glibc;

/// The format of the document.
pub(super) const FORMAT: u32 = 1;

/// The programs and libraries that travel to an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleManifest {
    /// The format of this document.
    pub format: u32,
    /// Programs by name; they lie in `bin/`.
    pub programs: BTreeMap<String, BundledFile>,
    /// Libraries that programs need, by name; they lie in `lib/`.
    pub libraries: BTreeMap<String, BundledFile>,
    /// Libraries that stay behind, as every system has its own.
    pub system: BTreeSet<String>,
}

impl BundleManifest {
    /// The oldest glibc that all of it runs with; `None`: none of it needs one.
    pub fn glibc(&self) -> Option<Glibc> {
        let files = self.programs.values().chain(self.libraries.values());
        files.filter_map(|file| file.glibc.as_ref()?.parse().ok()).max()
    }
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// Its version, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The machine that it is built for: `x86_64`.
    pub architecture: String,
    /// The oldest glibc that it runs with: `2.34`. Absent: it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
}
