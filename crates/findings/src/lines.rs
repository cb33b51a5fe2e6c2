//! Reads `findings` and `correlations` back together, a scan at a time, in bounded batches of raw lines.
//!
//! The two files are sorted alike, so one pass over both is enough. Parsing is left to [`ScanLines::parse`], which a worker
//! thread may do. Of a scan with very many lines only their place is kept, and parsing reads them again, one by one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use contract::StageError;
use contract::stage::At;
use scan::Metadata;
use serde::Deserialize;

use crate::block::{Block, HELD_BYTES, line_error};
use crate::record::{Correlation, EnrichedFinding};

/// Bytes of finding lines after which a batch is full.
const BATCH_BYTES: u64 = 8 << 20;

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
            bytes += findings.length + correlations.length;
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

/// The part of a finding that the scanner wrote as text.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the names of `EnrichedFinding`")]
pub struct Told {
    pub scanner: String,
    pub id: String,
    pub title: String,
    pub description: String,
    pub metadata: Metadata,
}

/// The host of a line, and whether the line says that it is real.
#[derive(Deserialize)]
struct Origin {
    host: String,
    #[serde(default)]
    real: bool,
}

/// The hosts whose lines say that they are real, by the first line of each.
pub fn real_hosts(findings: &Path) -> Result<BTreeSet<String>, StageError> {
    let mut real = BTreeSet::new();
    each_line(findings, |origin, first, _, _| {
        if first && origin.real {
            real.insert(origin.host.clone());
        }
        Ok(())
    })?;
    Ok(real)
}

/// Shows the findings of some hosts one by one, in order.
pub fn each_of(findings: &Path, hosts: &BTreeSet<String>, mut each: impl FnMut(Told)) -> Result<(), StageError> {
    each_line(findings, |origin, _, line, number| {
        if hosts.contains(&origin.host) {
            each(serde_json::from_slice(line).map_err(|error| line_error(findings, number, &error))?);
        }
        Ok(())
    })
}

/// Goes over all lines with the origin of their host, by the first of its lines; whether a line is that, and its number from 1.
fn each_line(
    findings: &Path,
    mut each: impl FnMut(&Origin, bool, &[u8], u64) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let mut lines = BufReader::with_capacity(1 << 18, File::open(findings).at(findings)?);
    let (mut origin, mut line, mut start) = (None, Vec::new(), Vec::new());
    for number in 1.. {
        line.clear();
        if lines.read_until(b'\n', &mut line).at(findings)? == 0 {
            break;
        }
        let known = origin.take().filter(|_| line.starts_with(&start));
        let first = known.is_none();
        let of_line = match known {
            Some(known) => known,
            None => {
                let read: Origin =
                    serde_json::from_slice(&line).map_err(|error| line_error(findings, number, &error))?;
                start = format!("{{\"host\":{},", serde_json::to_string(&read.host).expect("a string")).into_bytes();
                read
            }
        };
        each(&of_line, first, &line, number)?;
        origin = Some(of_line);
    }
    Ok(())
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

/// A file of lines with the next one looked at.
struct Lines {
    path: Arc<Path>,
    reader: BufReader<File>,
    /// The next line, with its end; empty after the last.
    next: Vec<u8>,
    /// That of the next line.
    head: Option<Head>,
    number: u64,
    /// Bytes up to and with the next line.
    position: u64,
    last: Option<Head>,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, StageError> {
        let reader = BufReader::with_capacity(1 << 18, File::open(path).at(path)?);
        let mut lines =
            Lines { path: path.into(), reader, next: Vec::new(), head: None, number: 0, position: 0, last: None };
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
        let bytes = std::mem::take(&mut self.next);
        let (path, offset) = (Some(Arc::clone(&self.path)), self.position - bytes.len() as u64);
        let mut block = Block { path, first_line: self.number, offset, length: bytes.len() as u64, lines: 1, bytes };
        self.head = None;
        let start = head.start_of_line();
        let mut held = true;
        loop {
            if !held || block.bytes.len() > HELD_BYTES {
                // One line's room is enough from here on.
                held = false;
                block.bytes.clear();
                block.bytes.shrink_to(1 << 16);
            }
            let end = block.bytes.len();
            if !self.read_line(&mut block.bytes)? {
                break;
            }
            let line = &block.bytes[end..];
            let length = line.len() as u64;
            if !line.starts_with(start.as_bytes()) {
                let next = self.head_of(line)?;
                if next != *head {
                    self.next = block.bytes.split_off(end);
                    self.head = Some(next);
                    break;
                }
            }
            block.length += length;
            block.lines += 1;
        }
        if !held {
            block.bytes = Vec::new();
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
        let read = self.reader.read_until(b'\n', bytes).at(&self.path)?;
        self.number += u64::from(read > 0);
        self.position += read as u64;
        Ok(read > 0)
    }

    fn head_of(&self, line: &[u8]) -> Result<Head, StageError> {
        serde_json::from_slice(line).map_err(|error| line_error(&self.path, self.number, &error))
    }

    fn error(&self, text: String) -> StageError {
        StageError::invalid_input(format!("{}:{}: {text}", self.path.display(), self.number))
            .help("findings and correlations must come from the same run of `correlate`")
    }
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
    fn a_scan_of_very_many_lines_is_read_from_its_place() {
        let long = format!("{{\"host\":\"a\",\"scan\":1,\"x\":\"{}\"}}\n", "x".repeat(1 << 20));
        let many = long.repeat(2 + HELD_BYTES / (1 << 20));
        let (_directory, mut batches) = open(&[A0, &many, B0].concat(), &[A0, B0].concat());
        let mut batch = batches.next_batch().unwrap();
        batch.extend(batches.next_batch().unwrap());
        let scans: Vec<_> = batch.iter().map(|s| (s.host.as_str(), s.scan, count(&s.findings))).collect();
        assert_eq!(scans, [("a", 0, 1), ("a", 1, 0), ("b", 0, 1)]);
        let large: Vec<serde_json::Value> = batch[1].findings.parse().unwrap();
        assert_eq!(large.len(), 2 + HELD_BYTES / (1 << 20));
        assert!(large.iter().all(|line| line["scan"] == 1));
        let error = batch[1].findings.parse::<Head>().and(batch[1].findings.parse::<u32>()).unwrap_err();
        assert!(error.message.contains("f:2: invalid type"), "{}", error.message);
    }

    #[test]
    fn real_hosts_are_told_by_their_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let real = "{\"host\":\"b\",\"scan\":0,\"real\":true}\n";
        std::fs::write(&path, [A0, A1, real, B0, real].concat()).unwrap();
        assert_eq!(real_hosts(&path).unwrap(), BTreeSet::from(["b".to_owned()]));
    }

    #[test]
    fn a_line_that_does_not_parse_is_named() {
        let (_directory, mut batches) = open(&[A0, A0].concat(), "");
        let error = batches.next_batch().unwrap()[0].parse().unwrap_err();
        assert!(error.message.contains("f:1: missing field"), "{}", error.message);
    }
}
