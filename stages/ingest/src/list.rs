//! Finds the report files of a directory: `*.json` in it or one directory down, which is also how scans lie. Hidden files (`.r.json`,
//! `._r.json`) are what editors, file managers and copying tools leave, and no reports.

use std::fs;
use std::path::{Path, PathBuf};

use contract::StageError;
use contract::clean;
use contract::stage::At;

use crate::first_of;

/// The files of a directory of reports, sorted by name.
#[derive(Default)]
pub struct Files {
    /// Those that may be reports.
    pub reports: Vec<ReportFile>,
    /// Names of files that are no JSON.
    pub others: Vec<String>,
    /// Names of directories that lie too deep to be looked into.
    pub deeper: Vec<String>,
    /// Names of hidden files and directories.
    pub hidden: Vec<String>,
}

/// A report, or what looks like one.
pub struct ReportFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The path below the directory.
    pub below: PathBuf,
    /// The same for messages, in one line: the user does not know where the worker sees the file.
    pub name: String,
}

impl ReportFile {
    /// Whether it is a link that leads to no file: away, or in a circle.
    pub(crate) fn leads_nowhere(&self) -> bool {
        self.path.is_symlink() && fs::metadata(&self.path).is_err()
    }
}

/// The files of a directory, of which at least one may be a report.
pub fn reports(directory: &Path) -> Result<Files, StageError> {
    let mut files = Files::default();
    for path in entries(directory)? {
        if path.is_dir() && !is_hidden(&path) {
            for inner in entries(&path)? {
                files.add(directory, inner);
            }
        } else {
            files.add(directory, path);
        }
    }
    if files.reports.is_empty() {
        let message = format!("the directory of reports holds no *.json: {}", files.seen());
        return Err(StageError::invalid_input(message).help("give the directory that holds the scanner's JSON reports"));
    }
    Ok(files)
}

impl Files {
    fn add(&mut self, directory: &Path, path: PathBuf) {
        let below = path.strip_prefix(directory).unwrap_or(&path).to_owned();
        let name = clean::line(&below.display().to_string()).into_owned();
        if is_hidden(&path) {
            self.hidden.push(name);
        } else if path.is_dir() {
            self.deeper.push(name);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            self.reports.push(ReportFile { path, below, name });
        } else {
            self.others.push(name);
        }
    }

    /// The contents of a directory without reports, for whom expected some there.
    fn seen(&self) -> String {
        let kinds = [
            ("other files", &self.others),
            ("hidden files, which are skipped", &self.hidden),
            ("directories that lie too deep", &self.deeper),
        ];
        let some = kinds.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = some
            .map(|(kind, names)| format!("{} {kind} ({})", names.len(), first_of(" ", names).trim_start()))
            .collect();
        if parts.is_empty() { "it is empty".to_owned() } else { format!("it holds {}", parts.join(", ")) }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, StageError> {
    let listed: std::io::Result<Vec<_>> =
        fs::read_dir(directory).at(directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut listed = listed.at(directory)?;
    listed.sort_unstable();
    Ok(listed)
}
