//! Earlier runs, read from their reports: which pipeline ran last, where the log of a stage lies.

use std::path::{Path, PathBuf};

use super::outcome::RunReport;
use crate::store::Store;

/// The reports of earlier runs, newest first, read one by one.
pub struct History<'a> {
    store: &'a Store,
    /// Run ids, newest first: they begin with the time.
    runs: Vec<String>,
}

impl<'a> History<'a> {
    /// The runs in `store`.
    pub fn open(store: &'a Store) -> History<'a> {
        let entries = std::fs::read_dir(store.runs_dir()).into_iter().flatten().flatten();
        let mut runs: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        History { store, runs }
    }

    /// Every readable report, newest first. A run that never wrote one (killed) is passed over.
    pub fn reports(&self) -> impl Iterator<Item = RunReport> + '_ {
        self.runs.iter().filter_map(|run| read_report(&self.store.run_dir(run)))
    }

    /// The newest log of this stage: of the last run that executed it, or of the run that made the record it was last a hit of.
    pub fn last_log(&self, pipeline: &str, stage: &str) -> Option<PathBuf> {
        let of_pipeline = self.reports().filter(|report| report.pipeline.as_str() == pipeline);
        let stages = of_pipeline.filter_map(|report| report.stages.get(stage).cloned());
        let log = |report: super::StageReport| {
            report.log.or_else(|| {
                let record = self.store.past_record(&report.key?)?;
                Some(log_path(self.store, &record.run, &record.stage))
            })
        };
        stages.filter_map(log).find(|path| path.is_file())
    }
}

/// Where the log of `stage` in `run` lies.
pub fn log_path(store: &Store, run: &str, stage: &str) -> PathBuf {
    store.run_dir(run).join("logs").join(format!("{stage}.log"))
}

/// Keeps `report` beside the run's events.
pub fn write_report(store: &Store, report: &RunReport) -> std::io::Result<()> {
    let directory = store.run_dir(&report.run);
    std::fs::create_dir_all(&directory)?;
    let text = serde_json::to_vec_pretty(report).map_err(std::io::Error::from)?;
    std::fs::write(directory.join(REPORT), text)
}

fn read_report(run: &Path) -> Option<RunReport> {
    serde_json::from_slice(&std::fs::read(run.join(REPORT)).ok()?).ok()
}

const REPORT: &str = "report.json";
