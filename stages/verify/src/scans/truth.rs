//! The hidden truth, looked up a scan at a time: where its lines lie is kept, not the lines.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use contract::StageError;
use contract::stage::At;
use scan::truth::{Role, TruthLine};
use serde::Deserialize;

use crate::check::Outcome;
use crate::scans::view::ScanView;

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

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    host: Cow<'a, str>,
    scan: u32,
}

impl Truth {
    /// Finds the scans in the artifact.
    pub fn open(path: &Path) -> Result<Truth, StageError> {
        let file = File::open(path).at(path)?;
        let mut truth = Truth { path: path.to_owned(), file, hosts: HashMap::new() };
        let mut lines = BufReader::with_capacity(1 << 18, File::open(path).at(path)?);
        let mut line = String::new();
        // How lines of the scan before start; a line that starts otherwise is read.
        let mut start = String::new();
        let mut run = Run { offset: 0, bytes: 0, first_line: 1 };
        let mut scan = (String::new(), 0);
        let mut number = 0;
        loop {
            line.clear();
            let bytes = lines.read_line(&mut line).at(path)? as u64;
            number += 1;
            if bytes > 0 && !start.is_empty() && line.starts_with(&start) {
                run.bytes += bytes;
                continue;
            }
            if run.bytes > 0 {
                truth.hosts.entry(scan.0).or_default().entry(scan.1).or_default().push(run);
            }
            if bytes == 0 {
                return Ok(truth);
            }
            let head: Head<'_> = serde_json::from_str(&line).map_err(|error| truth.error(number, &error))?;
            let host = serde_json::to_string(&head.host).expect("a string");
            start = format!("{{\"host\":{host},\"scan\":{},", head.scan);
            scan = (head.host.into_owned(), head.scan);
            run = Run { offset: run.offset + run.bytes, bytes, first_line: number };
        }
    }

    /// Whether it is about a host, which then is a simulated one.
    pub fn is_about(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
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

    /// Tells scans that it is about and that are not there.
    pub fn without_scan(&self, is_there: impl Fn(&str, u32) -> bool) -> Outcome {
        let mut outcome = Outcome::default();
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort_unstable_by_key(|(host, _)| *host);
        for (host, scans) in hosts {
            for scan in scans.keys().filter(|scan| !is_there(host, **scan)) {
                outcome.tell(
                    format!("{host}/{scan:04}"),
                    "",
                    "the truth is about this scan, of which there is no report",
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
