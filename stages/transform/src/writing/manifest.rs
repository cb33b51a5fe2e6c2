//! `manifest.json`: what lies in a dataset and how it came about.

use std::collections::BTreeMap;
use std::path::Path;

use contract::stage::At;
use contract::{Digest, StageError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::selection::balance::{Balance, LeftOut};
use crate::selection::split::{Fractions, TieFigures};
use crate::writing::license::License;
use crate::writing::measure::TokenFigures;
use crate::writing::parquet_files::ParquetManifests;

/// `manifest.json`.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// The form of this file and of the lines.
    pub version: u32,
    /// Fixes splits and order.
    pub seed: u64,
    /// Of the examples, as the data card has it.
    pub license: License,
    /// `overall_status` of the verification report.
    pub verification: VerificationStatus,
    /// Shares of the hosts.
    pub fractions: Fractions,
    /// Hosts that were kept together.
    pub ties: TieFigures,
    /// Limits of each split.
    pub balance: Balance,
    /// Examples before merging.
    pub offered: u64,
    /// Distinct prompts.
    pub distinct: u64,
    /// Findings without an example: the answer depends on what no report shows or what would not fit, or the scanner failed.
    pub undetermined: u64,
    /// Distinct prompts that are left out, as what they show has two answers.
    pub contradictory: u64,
    /// Findings read.
    pub findings: u64,
    /// Scans read.
    pub scans: u64,
    /// What became of names and addresses of real hosts, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redaction: Option<RedactionFigures>,
    /// By split.
    pub splits: BTreeMap<&'static str, SplitManifest>,
    /// Drawn from the training split.
    pub calibration: FileManifest,
    /// The same examples as Parquet, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parquet: Option<ParquetManifests>,
    /// Lengths in tokens, where a tokenizer was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenFigures>,
}

/// What became of names and addresses of real hosts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RedactionFigures {
    /// How many hosts are real.
    pub real_hosts: u64,
    /// Whether they are under pseudonyms.
    pub redacted: bool,
    /// Values that got one, summed over scans.
    pub pseudonyms: u64,
}

/// How the verification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerificationStatus {
    /// Every check passed.
    Passed,
    /// Something is worth a look.
    Warning,
    /// A check failed, and the pipeline was told to go on.
    Failed,
}

impl VerificationStatus {
    /// `overall_status` of the report at `path`.
    pub fn read(path: &Path) -> Result<VerificationStatus, StageError> {
        #[derive(Deserialize)]
        struct Report {
            overall_status: VerificationStatus,
        }
        let bytes = std::fs::read(path).at(path)?;
        let report: Report = serde_json::from_slice(&bytes).map_err(|e| {
            StageError::invalid_input(format!("{}: {e}", path.display()))
                .help("wire `verification` to the output of that name of a stage `verify`")
        })?;
        Ok(report.overall_status)
    }
}

/// One file of examples.
#[derive(Debug, Serialize)]
pub struct FileManifest {
    /// Its name.
    pub file: String,
    /// Lines.
    pub examples: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of the file.
    pub blake3: Digest,
    /// Lines by task.
    pub tasks: BTreeMap<&'static str, u64>,
    /// `finding` lines by severity.
    pub severities: BTreeMap<&'static str, u64>,
    /// The longest line's messages, in bytes, by task.
    pub longest: BTreeMap<&'static str, u64>,
}

/// One split.
#[derive(Debug, Serialize)]
pub struct SplitManifest {
    /// Its file.
    pub lines: FileManifest,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// What the limits left out.
    pub left_out: LeftOut,
}
