//! The hidden truth, looked up a scan at a time: where its lines lie is kept, not the lines.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Context, StageError};
use scan::truth::{Role, TruthLine};
use serde::Deserialize;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Bytes that a thread looks through at a time.
const CHUNK: u64 = 4 << 20;

/// The artifact `truth` with the place of each scan's lines.
pub struct Truth {
    path: PathBuf,
    file: File,
    hosts: HashMap<String, BTreeMap<u32, Vec<Run>>>,
}

/// Lines of one scan that follow each other.
#[derive(Clone, Copy)]
struct Run {
    offset: u64,
    bytes: u64,
    first_line: u64,
}

/// The lines that start in one chunk.
struct Chunk {
    runs: Vec<(String, u32, Run)>,
    lines: u64,
    /// A line that is none, by its number in the chunk.
    broken: Option<(u64, serde_json::Error)>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    host: Cow<'a, str>,
    scan: u32,
}

impl Truth {
    /// Finds the scans in the artifact.
    pub fn open(path: &Path, context: &Context) -> Result<Truth, StageError> {
        let file = File::open(path).at(path)?;
        let size = file.metadata().at(path)?.len();
        let mut truth = Truth { path: path.to_owned(), file, hosts: HashMap::new() };
        let starts: Vec<u64> = (0..size).step_by(CHUNK as usize).collect();
        let chunks =
            context.map(&starts, |start| chunk(&truth.file, *start..size.min(start + CHUNK), size).at(path))?;
        let mut lines = 0;
        for chunk in chunks {
            if let Some((number, error)) = chunk.broken {
                return Err(truth.error(lines + number, &error));
            }
            for (host, scan, run) in chunk.runs {
                let run = Run { first_line: lines + run.first_line, ..run };
                truth.hosts.entry(host).or_default().entry(scan).or_default().push(run);
            }
            lines += chunk.lines;
        }
        Ok(truth)
    }

    /// The lines of one scan.
    pub fn of_scan(&self, host: &str, scan: u32) -> Result<Vec<TruthLine>, StageError> {
        let mut lines = Vec::new();
        for run in self.hosts.get(host).and_then(|scans| scans.get(&scan)).into_iter().flatten() {
            let mut bytes = vec![0; run.bytes as usize];
            self.file.read_exact_at(&mut bytes, run.offset).at(&self.path)?;
            for (place, line) in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
                let line =
                    serde_json::from_slice(line).map_err(|error| self.error(run.first_line + place as u64, &error))?;
                lines.push(line);
            }
        }
        Ok(lines)
    }

    /// Tells scans that it is about and that are not simulated ones.
    pub fn without_scan(&self, is_simulated: impl Fn(&str, u32) -> bool) -> Outcome {
        let mut outcome = Outcome::default();
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort_unstable_by_key(|(host, _)| *host);
        for (host, scans) in hosts {
            for scan in scans.keys().filter(|scan| !is_simulated(host, **scan)) {
                outcome.tell(
                    format!("{host}/{scan:04}"),
                    "",
                    "the truth is about this scan, of which `scans` holds no report",
                );
            }
        }
        outcome
    }

    fn error(&self, number: u64, error: &serde_json::Error) -> StageError {
        StageError::invalid_input(format!("{}:{number}: {error}", self.path.display()))
            .help("the file must be as the stage `produce` writes it")
    }
}

/// Looks through the lines that start in a chunk; the last may end in the next one.
fn chunk(file: &File, of: Range<u64>, size: u64) -> io::Result<Chunk> {
    // One byte before it tells whether a line starts with the chunk.
    let from = of.start.saturating_sub(1);
    let mut bytes = vec![0; (of.end - from) as usize];
    file.read_exact_at(&mut bytes, from)?;
    let own = bytes.len();
    while bytes.last() != Some(&b'\n') && from + (bytes.len() as u64) < size {
        let held = bytes.len();
        let more = (size - from - held as u64).min(1 << 16) as usize;
        bytes.resize(held + more, 0);
        file.read_exact_at(&mut bytes[held..], from + held as u64)?;
        if let Some(end) = bytes[held..].iter().position(|byte| *byte == b'\n') {
            bytes.truncate(held + end + 1);
        }
    }
    let mut at = match of.start {
        0 => 0,
        _ => bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1),
    };
    let mut chunk = Chunk { runs: Vec::new(), lines: 0, broken: None };
    // How lines of the scan before start; a line that starts otherwise is read.
    let mut begins: Vec<u8> = Vec::new();
    while at < own {
        let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
        let line = &bytes[at..end];
        chunk.lines += 1;
        if let Some((_, _, run)) = chunk.runs.last_mut()
            && line.starts_with(&begins)
        {
            run.bytes += line.len() as u64;
        } else {
            let head: Head<'_> = match serde_json::from_slice(line) {
                Ok(head) => head,
                Err(error) => {
                    chunk.broken = Some((chunk.lines, error));
                    return Ok(chunk);
                }
            };
            let host = serde_json::to_string(&head.host).expect("a string");
            begins = format!("{{\"host\":{host},\"scan\":{},", head.scan).into_bytes();
            let run = Run { offset: from + at as u64, bytes: line.len() as u64, first_line: chunk.lines };
            chunk.runs.push((head.host.into_owned(), head.scan, run));
        }
        at = end;
    }
    Ok(chunk)
}

/// Checks that the truth names each finding of a scan as visible as often as the scan holds it, and no other. Whether a
/// finding is harmless is not looked at.
pub fn check(lines: &[TruthLine], view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome::of(view.findings.len());
    let mut named: Vec<(&str, &str)> =
        lines.iter().filter(|line| line.visible).map(|line| (line.scanner.as_str(), line.id.as_str())).collect();
    named.sort_unstable();
    let mut held: Vec<(&str, &str)> = view.findings.iter().map(|f| (f.scanner.as_str(), f.id.as_str())).collect();
    held.sort_unstable();
    if named == held {
        return outcome;
    }
    let mut balance: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    named.into_iter().for_each(|key| balance.entry(key).or_default().0 += 1);
    held.into_iter().for_each(|key| balance.entry(key).or_default().1 += 1);
    for (key, (named, held)) in balance.into_iter().filter(|(_, (named, held))| named != held) {
        view.tell_raw(
            &mut outcome,
            key,
            "",
            format!("the truth names it {named} times, the scan holds it {held} times"),
        );
    }
    outcome
}

/// Which findings of a scan are of chains, by scanner and id.
pub struct ChainIds<'t> {
    chain: HashSet<(&'t str, &'t str)>,
    unclear: HashSet<(&'t str, &'t str)>,
}

impl<'t> ChainIds<'t> {
    /// Those of the lines of one scan.
    pub fn of(lines: &'t [TruthLine]) -> ChainIds<'t> {
        let of = |chain: bool| {
            let lines = lines.iter().filter(move |line| line.visible && (line.role == Role::Chain) == chain);
            lines.map(|line| (line.scanner.as_str(), line.id.as_str()))
        };
        let chain: HashSet<_> = of(true).collect();
        let unclear =
            if chain.is_empty() { HashSet::new() } else { of(false).filter(|key| chain.contains(key)).collect() };
        ChainIds { chain, unclear }
    }

    /// Whether a finding is of a chain; none where one of a chain and another share scanner and id.
    pub fn holds(&self, scanner: &str, id: &str) -> Option<bool> {
        if self.chain.is_empty() {
            return Some(false);
        }
        let key = (scanner, id);
        (!self.unclear.contains(&key)).then(|| self.chain.contains(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, scan, offset, bytes, first line.
    type Lines = (String, u32, u64, u64, u64);

    /// The runs of all chunks of a length, those that a limit parted put together, and how many lines there are.
    fn runs(file: &File, size: u64, length: u64) -> (Vec<Lines>, u64) {
        let mut all: Vec<Lines> = Vec::new();
        let mut lines = 0;
        for start in (0..size).step_by(length as usize) {
            let chunk = chunk(file, start..size.min(start + length), size).unwrap();
            assert!(chunk.broken.is_none());
            for (host, scan, run) in chunk.runs {
                match all.last_mut() {
                    Some(last) if (&last.0, last.1) == (&host, scan) && last.2 + last.3 == run.offset => {
                        last.3 += run.bytes
                    }
                    _ => all.push((host, scan, run.offset, run.bytes, lines + run.first_line)),
                }
            }
            lines += chunk.lines;
        }
        (all, lines)
    }

    #[test]
    fn where_a_chunk_ends_moves_no_line() {
        let mut text = String::new();
        for (host, scan, times) in [("a", 0, 3), ("a", 1, 1), ("b\u{e9}", 0, 4), ("a", 1, 2), ("c", 7, 1)] {
            for n in 0..times {
                let id = "x".repeat(n * 7);
                text += &format!("{{\"host\":\"{host}\",\"scan\":{scan},\"id\":\"{id}\"}}\n");
            }
        }
        // The last line may lack its end.
        for text in [text.as_str(), text.trim_end()] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("truth");
            std::fs::write(&path, text).unwrap();
            let file = File::open(&path).unwrap();
            let size = text.len() as u64;
            let whole = runs(&file, size, size);
            assert_eq!((whole.0.len(), whole.1), (5, 11));
            assert_eq!(whole.0[3].4, 9, "the line at which the second run of a/1 begins");
            for length in 1..size {
                assert_eq!(runs(&file, size, length), whole, "chunks of {length}");
            }
        }
    }

    #[test]
    fn a_broken_line_is_told_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("truth");
        let text = "{\"host\":\"a\",\"scan\":0}\n{\"host\":\"a\",\"scan\":0}\n{\"host\":4}\n";
        std::fs::write(&path, text).unwrap();
        let file = File::open(&path).unwrap();
        let chunk = chunk(&file, 0..text.len() as u64, text.len() as u64).unwrap();
        assert_eq!(chunk.broken.map(|(line, _)| line), Some(3));
    }
}
