//! Reads `findings` and `correlations` back together, a scan at a time, in bounded batches of raw lines.
//!
//! The two files are sorted alike, so one pass over both is enough. Parsing is left to [`ScanLines::parse`], which a worker
//! thread may do.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use contract::StageError;
use contract::stage::At;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::record::{Correlation, EnrichedFinding};

/// Bytes of finding lines after which a batch is full.
const BATCH_BYTES: usize = 8 << 20;

/// Iterates over batches of scans.
pub struct Batches {
    findings: Lines,
    correlations: Lines,
}

/// The raw lines of one scan of one host.
#[derive(Debug)]
pub struct ScanLines {
    /// The host.
    pub host: String,
    /// The scan.
    pub scan: u32,
    findings: Block,
    correlations: Block,
}

impl Batches {
    /// Opens both artifacts.
    pub fn open(findings: &Path, correlations: &Path) -> Result<Batches, StageError> {
        Ok(Batches { findings: Lines::open(findings)?, correlations: Lines::open(correlations)? })
    }

    /// The next scans; empty at the end.
    pub fn next_batch(&mut self) -> Result<Vec<ScanLines>, StageError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let Some(head) = self.findings.head()? else { break };
            let findings = self.findings.take(&head)?;
            let correlations = self.correlations.take_if(&head)?;
            bytes += findings.bytes.len() + correlations.bytes.len();
            batch.push(ScanLines { host: head.host, scan: head.scan, findings, correlations });
        }
        if batch.is_empty()
            && let Some(head) = self.correlations.head()?
        {
            return Err(self.correlations.error(format!("host `{}` scan {} has no findings", head.host, head.scan)));
        }
        Ok(batch)
    }
}

impl ScanLines {
    /// Parses the lines.
    pub fn parse(&self) -> Result<(Vec<EnrichedFinding>, Vec<Correlation>), StageError> {
        Ok((self.findings.parse()?, self.correlations.parse()?))
    }
}

/// Host and scan of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Head {
    host: String,
    scan: u32,
}

impl Head {
    /// How a line of this head starts as `correlate` writes it; a line that starts otherwise is read to know its head.
    fn start_of_line(&self) -> String {
        let host = serde_json::to_string(&self.host).expect("a string");
        format!("{{\"host\":{host},\"scan\":{},", self.scan)
    }
}

#[derive(Debug, Default)]
struct Block {
    /// None of a block without lines.
    path: Option<Arc<Path>>,
    first_line: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn parse<T: DeserializeOwned>(&self) -> Result<Vec<T>, StageError> {
        let Some(path) = self.path.as_deref() else { return Ok(Vec::new()) };
        // Of the whole block at once: that is the fast way, and leaves it out where strings are read.
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let before = self.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            line_error(path, self.first_line + before as u64, &error)
        })?;
        let parse = |(offset, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| line_error(path, self.first_line + offset as u64, &error))
        };
        text.lines().enumerate().map(parse).collect()
    }
}

/// A file of lines with the next one looked at.
struct Lines {
    path: Arc<Path>,
    reader: BufReader<File>,
    /// The next line, with its end; empty after the last.
    next: Vec<u8>,
    /// That of the next line.
    head: Option<Head>,
    number: u64,
    last: Option<Head>,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, StageError> {
        let reader = BufReader::with_capacity(1 << 18, File::open(path).at(path)?);
        let mut lines = Lines { path: path.into(), reader, next: Vec::new(), head: None, number: 0, last: None };
        let mut first = Vec::new();
        if lines.read_line(&mut first)? {
            lines.head = Some(lines.head_of(&first)?);
            lines.next = first;
        }
        Ok(lines)
    }

    fn head(&self) -> Result<Option<Head>, StageError> {
        match (&self.head, &self.last) {
            (Some(head), Some(last)) if head <= last => {
                Err(self.error(format!("host `{}` scan {} is out of order", head.host, head.scan)))
            }
            _ => Ok(self.head.clone()),
        }
    }

    /// Takes the next lines, which are of `head`.
    fn take(&mut self, head: &Head) -> Result<Block, StageError> {
        let mut block = Block {
            path: Some(Arc::clone(&self.path)),
            first_line: self.number,
            bytes: std::mem::take(&mut self.next),
        };
        self.head = None;
        let start = head.start_of_line();
        loop {
            let end = block.bytes.len();
            if !self.read_line(&mut block.bytes)? {
                break;
            }
            let line = &block.bytes[end..];
            if line.starts_with(start.as_bytes()) {
                continue;
            }
            let next = self.head_of(line)?;
            if next != *head {
                self.next = block.bytes.split_off(end);
                self.head = Some(next);
                break;
            }
        }
        self.last = Some(head.clone());
        Ok(block)
    }

    /// Takes the lines of `head` where they come next; a line that should have come before has no findings.
    fn take_if(&mut self, head: &Head) -> Result<Block, StageError> {
        match self.head()? {
            Some(own) if own == *head => self.take(head),
            Some(own) if own < *head => {
                Err(self.error(format!("host `{}` scan {} has no findings", own.host, own.scan)))
            }
            _ => Ok(Block::default()),
        }
    }

    /// Appends the next line, with its end, where there is one.
    fn read_line(&mut self, bytes: &mut Vec<u8>) -> Result<bool, StageError> {
        let more = self.reader.read_until(b'\n', bytes).at(&self.path)? > 0;
        self.number += u64::from(more);
        Ok(more)
    }

    fn head_of(&self, line: &[u8]) -> Result<Head, StageError> {
        serde_json::from_slice(line).map_err(|error| line_error(&self.path, self.number, &error))
    }

    fn error(&self, text: String) -> StageError {
        StageError::invalid_input(format!("{}:{}: {text}", self.path.display(), self.number))
            .help("findings and correlations must come from the same run of `correlate`")
    }
}

fn line_error(path: &Path, number: u64, error: &dyn std::error::Error) -> StageError {
    StageError::invalid_input(format!("{}:{number}: {error}", path.display()))
        .help("the file must be as the stage `correlate` writes it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(findings: &str, correlations: &str) -> (tempfile::TempDir, Batches) {
        let directory = tempfile::tempdir().unwrap();
        let paths = [("f", findings), ("c", correlations)].map(|(name, text)| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        let batches = Batches::open(&paths[0], &paths[1]).unwrap();
        (directory, batches)
    }

    const A0: &str = "{\"host\":\"a\",\"scan\":0}\n";
    const A1: &str = "{\"host\":\"a\",\"scan\":1}\n";
    const B0: &str = "{\"host\":\"b\",\"scan\":0}\n";

    fn count(block: &Block) -> usize {
        block.bytes.iter().filter(|byte| **byte == b'\n').count()
    }

    #[test]
    fn both_files_are_grouped_by_scan() {
        let (_directory, mut batches) = open(&[A0, A0, A1, B0].concat(), &[A0, B0, B0].concat());
        let batch = batches.next_batch().unwrap();
        let counts: Vec<_> =
            batch.iter().map(|s| (s.host.as_str(), s.scan, count(&s.findings), count(&s.correlations))).collect();
        assert_eq!(counts, [("a", 0, 2, 1), ("a", 1, 1, 0), ("b", 0, 1, 2)]);
        assert!(batches.next_batch().unwrap().is_empty());
    }

    #[test]
    fn disorder_and_orphans_are_errors_with_a_line() {
        let (_d, mut unsorted) = open(&[B0, A0].concat(), "");
        assert!(unsorted.next_batch().unwrap_err().message.contains(":2: host `a` scan 0 is out of order"));
        let (_d, mut orphan) = open(&[A0, B0].concat(), A1);
        assert!(orphan.next_batch().unwrap_err().message.contains(":1: host `a` scan 1 has no findings"));
        let (_d, batches) = open(A0, "");
        drop(batches);
        let (_d, mut late) = open(A0, B0);
        assert_eq!(late.next_batch().unwrap().len(), 1);
        assert!(late.next_batch().unwrap_err().message.contains("no findings"));
    }

    #[test]
    fn lines_that_start_otherwise_than_correlate_writes_them_are_grouped_by_what_they_hold() {
        let reordered = "{\"scan\":0,\"x\":[1],\"host\":\"a\"}\n";
        let (_directory, mut batches) = open(&[A0, reordered, reordered, A0, A1].concat(), "");
        let batch = batches.next_batch().unwrap();
        let counts: Vec<_> = batch.iter().map(|s| (s.host.as_str(), s.scan, count(&s.findings))).collect();
        assert_eq!(counts, [("a", 0, 4), ("a", 1, 1)]);
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, [A0.as_bytes(), b"{\"host\":\"a\",\"scan\":0,\"x\":\"\xff\"}\n"].concat()).unwrap();
        std::fs::write(directory.path().join("c"), "").unwrap();
        let mut batches = Batches::open(&path, &directory.path().join("c")).unwrap();
        let error = batches.next_batch().unwrap()[0].parse().unwrap_err();
        assert!(error.message.contains("f:2: invalid utf-8"), "{}", error.message);
    }

    #[test]
    fn a_line_that_does_not_parse_is_named() {
        let (_directory, mut batches) = open(&[A0, A0].concat(), "");
        let error = batches.next_batch().unwrap()[0].parse().unwrap_err();
        assert!(error.message.contains("f:1: missing field"), "{}", error.message);
    }
}
