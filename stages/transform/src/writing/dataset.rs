//! The artifact `dataset`: `train.jsonl`, `validation.jsonl`, `test.jsonl` and `calibration.jsonl`, written from the spool, with
//! `manifest.json` and the data card.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};

use crate::selection::balance::Selection;
use crate::selection::split::Split;
use crate::selection::spool::{Entry, Lines};
use crate::tasks::task::Task;
use crate::writing::data_card;
use crate::writing::manifest::{FileManifest, Manifest, SplitManifest};
use crate::writing::parquet_files::{self, ParquetManifests};

/// Writes files of examples into a directory.
pub struct Writer<'a> {
    /// The artifact.
    pub directory: &'a Path,
    /// The lines that entries are about.
    pub lines: &'a Lines,
    /// For cancellation.
    pub context: &'a Context,
}

impl Writer<'_> {
    /// Writes the splits, and says what was written.
    pub fn splits(
        &self,
        splits: &BTreeMap<Split, Selection>,
        hosts: &[String],
        of_hosts: &[Split],
    ) -> Result<BTreeMap<&'static str, SplitManifest>, StageError> {
        let mut manifests = BTreeMap::new();
        for (split, selection) in splits {
            let lines = self.file(split.name(), &selection.kept)?;
            let hosts =
                hosts.iter().zip(of_hosts).filter(|(_, of)| *of == split).map(|(host, _)| host.clone()).collect();
            manifests.insert(split.name(), SplitManifest { lines, hosts, left_out: selection.left_out });
        }
        Ok(manifests)
    }

    /// Writes `NAME.jsonl`.
    pub fn file(&self, name: &str, entries: &[Entry]) -> Result<FileManifest, StageError> {
        let file = format!("{name}.jsonl");
        let path = self.directory.join(&file);
        let mut out = BufWriter::with_capacity(1 << 16, File::create(&path).at(&path)?);
        let mut hasher = blake3::Hasher::new();
        let mut manifest = FileManifest {
            file,
            examples: entries.len() as u64,
            bytes: 0,
            blake3: blake3::hash(b"").into(),
            tasks: Task::ALL.map(|task| (task.name(), 0)).into(),
            severities: BTreeMap::new(),
            longest: BTreeMap::new(),
        };
        for (number, entry) in entries.iter().enumerate() {
            if number % 1024 == 0 {
                self.context.check_cancelled()?;
            }
            let line = self.lines.get(entry)?;
            out.write_all(line.as_bytes()).at(&path)?;
            hasher.update(line.as_bytes());
            manifest.count(entry);
        }
        out.flush().at(&path)?;
        manifest.blake3 = hasher.finalize().into();
        Ok(manifest)
    }

    /// Writes everything as Parquet.
    pub fn parquet(
        &self,
        splits: &BTreeMap<Split, Selection>,
        calibration: &[Entry],
    ) -> Result<ParquetManifests, StageError> {
        parquet_files::write(self.directory, splits, calibration, self.lines, self.context)
    }

    /// Writes `manifest.json` and the data card.
    pub fn describe(&self, manifest: &Manifest) -> Result<(), StageError> {
        let path = self.directory.join("manifest.json");
        std::fs::write(&path, serde_json::to_string_pretty(manifest).expect("plain data") + "\n").at(&path)?;
        let path = self.directory.join("README.md");
        std::fs::write(&path, data_card::of(manifest)).at(&path)
    }
}

impl FileManifest {
    fn count(&mut self, entry: &Entry) {
        self.bytes += u64::from(entry.line);
        *self.tasks.entry(entry.task.name()).or_default() += 1;
        if entry.task == Task::Finding {
            *self.severities.entry(entry.class.name()).or_default() += 1;
        }
        let longest = self.longest.entry(entry.task.name()).or_default();
        *longest = (*longest).max(entry.content.into());
    }
}

/// `count` examples spread evenly over a file whose order is that of a hash.
pub fn spread(all: &[Entry], count: usize) -> Vec<Entry> {
    let count = count.min(all.len());
    (0..count).map(|place| all[place * all.len() / count]).collect()
}
