//! The artifact `dataset`: `train.jsonl`, `validation.jsonl`, `test.jsonl`, `calibration.jsonl` and `manifest.json`.

use std::collections::BTreeMap;
use std::path::Path;

use contract::stage::At;
use contract::{Digest, StageError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::example::Task;
use crate::pool::{Balance, LeftOut, Placed, Selection};
use crate::split::{Fractions, Split};

/// `manifest.json`.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// The form of this file and of the lines.
    pub version: u32,
    /// Fixes splits and order.
    pub seed: u64,
    /// `overall_status` of the verification report.
    pub verification: VerificationStatus,
    /// Shares of the hosts.
    pub fractions: Fractions,
    /// Limits of each split.
    pub balance: Balance,
    /// Examples before merging.
    pub offered: u64,
    /// Distinct prompts.
    pub distinct: u64,
    /// Findings without an example: the answer depends on what no report shows, or the scanner failed.
    pub undetermined: u64,
    /// Findings read.
    pub findings: u64,
    /// Scans read.
    pub scans: u64,
    /// By split.
    pub splits: BTreeMap<&'static str, SplitManifest>,
    /// Drawn from the training split.
    pub calibration: FileManifest,
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
    /// The longest line's prompt and answer, in bytes, by task.
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

/// Writes the splits and the calibration set, and says what was written.
pub fn write(
    directory: &Path,
    splits: &BTreeMap<Split, Selection>,
    hosts: &BTreeMap<String, Split>,
    calibration: usize,
) -> Result<(BTreeMap<&'static str, SplitManifest>, FileManifest), StageError> {
    let mut manifests = BTreeMap::new();
    for (split, selection) in splits {
        let lines = write_file(directory, split.name(), &selection.kept)?;
        let hosts = hosts.iter().filter(|(_, of)| *of == split).map(|(host, _)| host.clone()).collect();
        manifests.insert(split.name(), SplitManifest { lines, hosts, left_out: selection.left_out });
    }
    let train = splits.get(&Split::Train).map_or(&[][..], |selection| &selection.kept);
    let calibration = write_file(directory, "calibration", &spread(train, calibration))?;
    Ok((manifests, calibration))
}

/// `count` examples spread evenly over a file whose order is that of a hash.
fn spread(all: &[Placed], count: usize) -> Vec<Placed> {
    let count = count.min(all.len());
    (0..count).map(|place| all[place * all.len() / count].clone()).collect()
}

fn write_file(directory: &Path, name: &str, examples: &[Placed]) -> Result<FileManifest, StageError> {
    let mut text = String::new();
    let mut tasks: BTreeMap<&str, u64> = Task::ALL.map(|task| (task.name(), 0)).into();
    let mut severities = BTreeMap::new();
    let mut longest: BTreeMap<&str, u64> = BTreeMap::new();
    for Placed { example, host, .. } in examples {
        text.push_str(&example.line(host));
        *tasks.entry(example.task.name()).or_default() += 1;
        if example.task == Task::Finding {
            *severities.entry(example.class.name()).or_default() += 1;
        }
        let length = (example.task.instruction().len() + example.prompt.len() + example.answer.len()) as u64;
        let most = longest.entry(example.task.name()).or_default();
        *most = (*most).max(length);
    }
    let file = format!("{name}.jsonl");
    let path = directory.join(&file);
    std::fs::write(&path, &text).at(&path)?;
    Ok(FileManifest {
        file,
        examples: examples.len() as u64,
        bytes: text.len() as u64,
        blake3: Digest::of(text.as_bytes()),
        tasks,
        severities,
        longest,
    })
}
