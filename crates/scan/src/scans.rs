//! The artifact type `scans`: a directory `<hostname>/<NNNN>.json`, one valid report a file, scans numbered from 0 in the
//! order of time.

use std::fs;
use std::path::{Path, PathBuf};

use contract::StageError;
use contract::stage::At;

use crate::partial;
use crate::report::{Report, ScannerResult};

/// Reports by host and scan. Holds the list, not the reports.
pub struct Scans {
    files: Vec<ScanFile>,
}

/// One report of a scans directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanFile {
    /// The host's name.
    pub host: String,
    /// The scan's place in the host's history, from 0.
    pub scan: u32,
    /// The file.
    pub path: PathBuf,
}

impl ScanFile {
    /// Reads the report and checks that it is of the host whose directory it lies in.
    pub fn read(&self) -> Result<Report, StageError> {
        let report = Report::read(&self.path)?;
        if report.hostname() != self.host {
            let message =
                format!("{}: report of host `{}` in the directory of another", self.path.display(), report.hostname());
            return Err(
                StageError::invalid_input(message).help("let the stage `ingest` sort reports into a scans directory")
            );
        }
        Ok(report)
    }

    /// Reads what the `wanted` scanners found, without times, and passes over the rest, unchecked: for a first look at reports that
    /// are read in full later.
    pub fn read_results(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<ScannerResult>, StageError> {
        let bytes = fs::read(&self.path).at(&self.path)?;
        let read = std::str::from_utf8(&bytes).ok().and_then(|text| partial::results(text, wanted).ok());
        match read {
            Some(results) => Ok(results),
            // Reading in full says where it is damaged.
            None => {
                let results = self.read()?.results.into_iter().filter(|result| wanted(&result.scanner));
                Ok(results.map(|result| ScannerResult::new(result.scanner, result.findings)).collect())
            }
        }
    }
}

impl Scans {
    /// Lists a directory of scans, sorted by host and scan.
    pub fn open(directory: &Path) -> Result<Scans, StageError> {
        let mut files = Vec::new();
        for host in fs::read_dir(directory).at(directory)? {
            let host = host.at(directory)?;
            let name = host.file_name().into_string().ok().filter(|name| valid_hostname(name));
            let Some(name) = name else { return Err(unexpected(&host.path())) };
            for file in fs::read_dir(host.path()).at(&host.path())? {
                let path = file.at(&host.path())?.path();
                let Some(scan) = scan_number(&path) else { return Err(unexpected(&path)) };
                files.push(ScanFile { host: name.clone(), scan, path });
            }
        }
        files.sort_unstable();
        Ok(Scans { files })
    }

    /// Starts a new directory of scans.
    pub fn create(directory: &Path) -> Result<ScansWriter, StageError> {
        fs::create_dir_all(directory).at(directory)?;
        Ok(ScansWriter { directory: directory.to_owned() })
    }

    /// How many reports.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Every report, by host and scan.
    pub fn iter(&self) -> std::slice::Iter<'_, ScanFile> {
        self.files.iter()
    }

    /// The reports of one host after another.
    pub fn hosts(&self) -> impl Iterator<Item = &[ScanFile]> {
        self.files.chunk_by(|a, b| a.host == b.host)
    }
}

impl<'a> IntoIterator for &'a Scans {
    type Item = &'a ScanFile;
    type IntoIter = std::slice::Iter<'a, ScanFile>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Writes a directory of scans; may be shared between threads that write different hosts.
pub struct ScansWriter {
    directory: PathBuf,
}

impl ScansWriter {
    /// Writes one report and returns its path.
    pub fn write(&self, host: &str, scan: u32, report: &Report) -> Result<PathBuf, StageError> {
        if !valid_hostname(host) {
            let message = format!("hostname {host:?} cannot name a directory");
            return Err(
                StageError::invalid_input(message).help("letters, digits, `.`, `_` and `-` are allowed, no dot first")
            );
        }
        let directory = self.directory.join(host);
        fs::create_dir_all(&directory).at(&directory)?;
        let path = directory.join(format!("{scan:04}.json"));
        report.write(&path).at(&path)?;
        Ok(path)
    }
}

/// Whether a hostname can be a directory of its own: no separators, nothing hidden, nothing that climbs out.
pub fn valid_hostname(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn scan_number(path: &Path) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let plain = digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn unexpected(path: &Path) -> StageError {
    StageError::invalid_input(format!("{}: not part of a scans directory", path.display()))
        .help("scans lie as <hostname>/<NNNN>.json; let the stage `ingest` sort loose reports")
}
