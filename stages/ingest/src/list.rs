//! Finds the report files of a directory: `*.json` in it or one directory down, which is also how scans lie.

use std::fs;
use std::path::{Path, PathBuf};

use contract::StageError;
use contract::stage::At;

/// The files of a directory of reports, sorted by name.
pub(crate) struct Files {
    pub reports: Vec<ReportFile>,
    /// Names of files that are no JSON.
    pub others: Vec<String>,
    /// Names of directories that lie too deep to be looked into.
    pub deeper: Vec<String>,
}

pub(crate) struct ReportFile {
    pub path: PathBuf,
    /// The path below the directory, for messages: the user does not know where the worker sees the file.
    pub name: String,
}

pub(crate) fn reports(directory: &Path) -> Result<Files, StageError> {
    let mut files = Files { reports: Vec::new(), others: Vec::new(), deeper: Vec::new() };
    for path in entries(directory)? {
        if path.is_dir() {
            for inner in entries(&path)? {
                files.add(directory, inner);
            }
        } else {
            files.add(directory, path);
        }
    }
    if files.reports.is_empty() {
        return Err(StageError::invalid_input("the directory of reports holds no *.json")
            .help("give the directory that holds the scanner's output files"));
    }
    Ok(files)
}

impl Files {
    fn add(&mut self, directory: &Path, path: PathBuf) {
        let name = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
        if path.is_dir() {
            self.deeper.push(name);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            self.reports.push(ReportFile { path, name });
        } else {
            self.others.push(name);
        }
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, StageError> {
    let listed: std::io::Result<Vec<_>> =
        fs::read_dir(directory).at(directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut listed = listed.at(directory)?;
    listed.sort_unstable();
    Ok(listed)
}
