//! Earlier runs, as far as completing them needs. Directories are read, no store is opened: that may write.

use std::path::{Path, PathBuf};

use crate::engine::RunReport;
use crate::engine::history::{Headline, REPORT, pipeline_of};

/// The number of newest runs whose content is read, to tell them apart; the others show only their names, which begin with the time.
const TOLD: usize = 30;

/// The runs below a store, newest first.
pub(super) struct Past {
    directory: PathBuf,
    ids: Vec<String>,
}

impl Past {
    /// Those below `store`.
    pub(super) fn of(store: &Path) -> Past {
        let directory = store.join("runs");
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let mut ids: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Past { directory, ids }
    }

    /// Every run that left something, with the name of its pipeline where that is soon told.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        let told = |at: usize, id: &str| (at < TOLD).then(|| pipeline_of(&self.journal(id), id)).flatten();
        self.ids.iter().enumerate().map(move |(at, id)| (id.as_str(), told(at, id)))
    }

    /// How many ended with a report.
    pub(super) fn ended(&self) -> usize {
        self.ids.iter().filter(|id| self.report_file(id).is_file()).count()
    }

    /// The newest run that left a report, as far as all versions agree on its content.
    pub(super) fn last(&self) -> Option<Headline> {
        self.ids.iter().find_map(|id| read(&self.report_file(id)))
    }

    /// The report of the run that `words` mean, of the last one without words.
    pub(super) fn report(&self, words: Option<&str>) -> Option<RunReport> {
        let words = words.unwrap_or("last");
        let steps = match words.strip_prefix("last") {
            Some("") => Some(0),
            Some(steps) => steps.strip_prefix('~')?.parse().ok(),
            None => None,
        };
        match steps {
            Some(steps) => {
                let mut ended = self.ids.iter().map(|id| self.report_file(id)).filter(|file| file.is_file());
                read(&ended.nth(steps)?)
            }
            None => read(&self.report_file(self.ids.iter().find(|id| !words.is_empty() && id.starts_with(words))?)),
        }
    }

    fn report_file(&self, id: &str) -> PathBuf {
        self.directory.join(id).join(REPORT)
    }

    fn journal(&self, id: &str) -> PathBuf {
        self.directory.join(id).join(crate::engine::history::JOURNAL)
    }
}

fn read<T: for<'de> serde::Deserialize<'de>>(file: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}
