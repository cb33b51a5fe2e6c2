//! Earlier runs, read from their directories: which there were, which one is meant, where the log of a stage lies.
//!
//! An unreadable directory is passed over: directories explain runs, and a bad one must not hide the others. A file with a
//! checksum that differs counts as unreadable; [`super::intact`] finds it.

use std::fs::TryLockError;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Deserialize;

use super::outcome::{RunOutcome, RunReport, StageOutcome};
pub use crate::executor::local::log_path;
use crate::store::{Chain, Kept, Store, open_document, open_file, read_kept, seal_document};

/// The runs of a store, newest first.
pub struct History<'a> {
    store: &'a Store,
    /// Run ids, newest first: they begin with the time.
    runs: Vec<String>,
}

/// A run as far as it is known without reading all of its files.
#[derive(Debug)]
pub enum Entry {
    /// It ended and wrote its report.
    Ended(Box<Headline>),
    /// It has none.
    Open {
        /// Its id.
        run: String,
        /// The pipeline's name, where its journal tells.
        pipeline: Option<String>,
        /// Why.
        state: OpenRun,
    },
}

impl Entry {
    /// The run's id.
    pub fn run(&self) -> &str {
        match self {
            Entry::Ended(headline) => &headline.run,
            Entry::Open { run, .. } => run,
        }
    }

    /// The pipeline's name, where it is known.
    pub fn pipeline(&self) -> Option<&str> {
        match self {
            Entry::Ended(headline) => Some(&headline.pipeline),
            Entry::Open { pipeline, .. } => pipeline.as_deref(),
        }
    }
}

/// Why a run has no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRun {
    /// It goes on.
    Running,
    /// It was killed, or its report could not be written.
    Ended,
}

/// The part of a report that a list of runs shows. Fields it does not know are passed over: reports of other versions of the
/// engine are listed too.
#[derive(Debug, Deserialize)]
pub struct Headline {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline file.
    pub file: PathBuf,
    /// Its outcome.
    pub outcome: RunOutcome,
    /// Unix seconds.
    pub started_at: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// By name.
    pub stages: IndexMap<String, StageHeadline>,
}

/// The outcome of a stage.
#[derive(Debug, Deserialize)]
pub struct StageHeadline {
    /// Its outcome.
    pub outcome: StageOutcome,
}

/// Why words do not name one run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchRun {
    /// There are none, or not so many.
    #[error("there are only {ended} finished runs here")]
    TooFew {
        /// How many there are.
        ended: usize,
    },
    /// None begins like that.
    #[error("no run begins with `{words}`")]
    Unknown {
        /// The words that were asked for.
        words: String,
    },
    /// Several do.
    #[error("`{words}` may be any of {}", .runs.join(", "))]
    Ambiguous {
        /// The words that were asked for.
        words: String,
        /// Some of those it may be.
        runs: Vec<String>,
    },
}

/// The most runs that are named when words fit several.
const NAMED: usize = 4;

impl<'a> History<'a> {
    /// The runs in `store`.
    pub fn open(store: &'a Store) -> History<'a> {
        let entries = std::fs::read_dir(store.runs_dir()).into_iter().flatten().flatten();
        let mut runs: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        History { store, runs }
    }

    /// Every run, newest first, read one by one: who wants ten pays for ten.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.runs.iter().filter_map(|run| self.entry(run))
    }

    fn entry(&self, run: &str) -> Option<Entry> {
        let directory = self.store.run_dir(run);
        if let Some(headline) = read(&directory, run) {
            return Some(Entry::Ended(Box::new(headline)));
        }
        let journal = directory.join(JOURNAL);
        journal.is_file().then(|| Entry::Open {
            run: run.to_owned(),
            pipeline: pipeline_of(&journal, run),
            state: open_state(&journal),
        })
    }

    /// Every readable report, newest first. A run that never wrote one is passed over.
    pub fn reports(&self) -> impl Iterator<Item = RunReport> + '_ {
        self.runs.iter().filter_map(|run| self.report(run))
    }

    /// The report of this run.
    pub fn report(&self, run: &str) -> Option<RunReport> {
        read(&self.store.run_dir(run), run)
    }

    /// The run that `words` mean: `last`, `last~2`, an id or the beginning of one. `last` counts runs that ended.
    pub fn find(&self, words: &str) -> Result<&str, NoSuchRun> {
        let steps = match words.strip_prefix("last") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix('~').and_then(|steps| steps.parse::<usize>().ok()),
            None => None,
        };
        if let Some(steps) = steps {
            let ended = || self.runs.iter().filter(|run| self.store.run_dir(run).join(REPORT).is_file());
            let found = ended().nth(steps).map(String::as_str);
            return found.ok_or_else(|| NoSuchRun::TooFew { ended: ended().count() });
        }
        let mut fitting = self.runs.iter().filter(|run| !words.is_empty() && run.starts_with(words));
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(NoSuchRun::Unknown { words: words.to_owned() }),
            (Some(run), None) => Ok(run),
            (Some(one), Some(other)) => match self.runs.iter().find(|run| *run == words) {
                Some(exact) => Ok(exact),
                None => {
                    let runs = [one, other].into_iter().chain(fitting).take(NAMED).cloned().collect();
                    Err(NoSuchRun::Ambiguous { words: words.to_owned(), runs })
                }
            },
        }
    }

    /// Whether this run goes on.
    pub fn state(&self, run: &str) -> OpenRun {
        open_state(&self.store.run_dir(run).join(JOURNAL))
    }
}

/// The name in the event with which a run begins, among the first lines of its journal.
pub fn pipeline_of(journal: &Path, run: &str) -> Option<String> {
    let lines = std::io::BufReader::new(open_file(journal)?).lines().take(2).map_while(Result::ok);
    let mut chain = Chain::new(&journal_name(run));
    let sound = lines.take_while(|line| !matches!(chain.open(line.as_bytes()), Kept::Damaged)).collect::<Vec<_>>();
    let events = sound.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.filter_map(|line| Some(line.pointer("/event/run_started/pipeline")?.as_str()?.to_owned())).next()
}

/// The journal is locked for as long as its run goes on; the kernel drops the lock however the run ends.
pub(super) fn open_state(journal: &Path) -> OpenRun {
    match open_file(journal).map(|file| file.try_lock_shared()) {
        Some(Err(TryLockError::WouldBlock)) => OpenRun::Running,
        _ => OpenRun::Ended,
    }
}

/// Keeps `report` beside the run's events.
pub fn write_report(directory: &Path, report: &RunReport) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let text = serde_json::to_vec(report).map_err(std::io::Error::from)?;
    // By a rename: half of a report would keep everything from being collected.
    let unfinished = directory.join(format!("{REPORT}.new"));
    std::fs::write(&unfinished, seal_document(&report_name(&report.run), text))?;
    std::fs::rename(unfinished, directory.join(REPORT))
}

/// The report in the directory of `run`, if it is as it was written.
pub(super) fn read<T: for<'de> Deserialize<'de>>(directory: &Path, run: &str) -> Option<T> {
    match open_document(&report_name(run), &read_kept(&directory.join(REPORT)).ok()??) {
        Kept::Sound(bytes) | Kept::Unsealed(bytes) => serde_json::from_slice(bytes).ok(),
        Kept::Damaged => None,
    }
}

/// Under which name the journal of `run` carries checksums.
pub fn journal_name(run: &str) -> String {
    format!("runs/{run}/{JOURNAL}")
}

/// As [`journal_name`], of its report.
pub(super) fn report_name(run: &str) -> String {
    format!("runs/{run}/{REPORT}")
}

/// The file of the report of a run that ended, in its directory.
pub const REPORT: &str = "report.json";

/// The file of a run's events, in its directory.
pub const JOURNAL: &str = "events.ndjson";

#[cfg(test)]
mod tests {
    use super::*;

    fn store_with(runs: &[(&str, &str)]) -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        for (run, report) in runs {
            std::fs::create_dir_all(store.run_dir(run)).unwrap();
            std::fs::write(store.run_dir(run).join(REPORT), report).unwrap();
        }
        (directory, store)
    }

    const REPORT_TEXT: &str = r#"{"run": "r", "pipeline": "p", "file": "p.yaml", "outcome": "succeeded", "started_at": 1,
        "seconds": 0.5, "stages": {"a": {"outcome": "hit", "from the future": 1}}, "from the future": 1}"#;

    #[test]
    fn words_mean_one_run_or_say_why_not() {
        let (_directory, store) = store_with(&[("20260101-1", "{}"), ("20260102-1", "{}"), ("20260102-12", "{}")]);
        std::fs::create_dir_all(store.run_dir("20260103-0")).unwrap();
        let history = History::open(&store);
        assert_eq!(history.find("last"), Ok("20260102-12"));
        assert_eq!(history.find("last~2"), Ok("20260101-1"));
        assert_eq!(history.find("last~3"), Err(NoSuchRun::TooFew { ended: 3 }));
        assert_eq!(history.find("20260101"), Ok("20260101-1"));
        assert_eq!(history.find("20260102-1"), Ok("20260102-1"), "an id is not ambiguous with a longer one");
        assert_eq!(history.find("20260103"), Ok("20260103-0"), "a run without a report can be named");
        assert!(matches!(history.find("20260102"), Err(NoSuchRun::Ambiguous { runs, .. }) if runs.len() == 2));
        assert!(matches!(history.find("lasting"), Err(NoSuchRun::Unknown { .. })));
        assert!(matches!(history.find(""), Err(NoSuchRun::Unknown { .. })));
    }

    #[test]
    fn what_cannot_be_read_is_passed_over_and_other_versions_are_listed() {
        let (_directory, store) = store_with(&[("1", REPORT_TEXT), ("2", "{half"), ("3", REPORT_TEXT)]);
        std::fs::write(store.runs_dir().join("a file"), "").unwrap();
        std::fs::create_dir(store.runs_dir().join("empty")).unwrap();
        let history = History::open(&store);
        assert_eq!(history.entries().count(), 2);
        assert_eq!(
            history.reports().count(),
            0,
            "a report with fields of another version is not taken for one of ours"
        );
    }
}
