//! `manifest.json` of a training set, as far as the checks read it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use serde::Deserialize;

/// The files of a training set, and the hosts of their examples.
#[derive(Deserialize)]
pub(super) struct Manifest {
    /// By name.
    pub splits: BTreeMap<String, SplitPart>,
    /// Drawn from training.
    pub calibration: FilePart,
    /// The limits by which hosts are tied to each other.
    #[serde(default)]
    pub ties: Ties,
    /// The same examples as Parquet, where there are such files: by task and split.
    #[serde(default)]
    pub parquet: BTreeMap<String, BTreeMap<String, FilePart>>,
}

/// One split.
#[derive(Deserialize)]
pub(super) struct SplitPart {
    /// Its examples.
    pub lines: FilePart,
    /// Its hosts.
    pub hosts: Vec<String>,
}

/// One file.
#[derive(Deserialize)]
pub(super) struct FilePart {
    /// Its name.
    pub file: String,
    /// Its lines.
    pub examples: u64,
    /// Its digest.
    pub blake3: String,
}

/// Which correlations tie hosts.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Ties {
    /// Most hosts of a correlation that ties them.
    pub limit: usize,
}

impl Manifest {
    /// Reads that of a directory.
    pub(super) fn read(directory: &Path) -> Result<Manifest, StageError> {
        let path = directory.join("manifest.json");
        serde_json::from_slice(&std::fs::read(&path).at(&path)?).map_err(|error| {
            StageError::invalid_input(format!("{}: {error}", path.display()))
                .help("the dataset must be as the stage `transform` writes it")
        })
    }

    /// The split of each host: the first that names it.
    pub(super) fn hosts(&self) -> HashMap<String, String> {
        let mut hosts = HashMap::new();
        for (name, part) in &self.splits {
            for host in &part.hosts {
                hosts.entry(host.clone()).or_insert_with(|| name.clone());
            }
        }
        hosts
    }
}
