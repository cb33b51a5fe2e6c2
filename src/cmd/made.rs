//! What a stage came to in an earlier run: behind `show` and `get`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::ParamArguments;
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use crate::engine::history::{History, NoSuchRun};
use crate::engine::{RunReport, StageReport};
use crate::spec::suggest;
use crate::store::{Record, Store};

/// A stage in an earlier run.
pub struct Made {
    /// The run.
    pub report: RunReport,
    /// The stage.
    pub name: String,
    /// What came of it there.
    pub stage: StageReport,
    /// What its action gave; absent when it gave nothing or the record is gone.
    pub record: Option<Record>,
}

/// What narrows the search, as flags.
#[derive(Debug, Args)]
pub struct WhereArguments {
    /// The pipeline; the default is that of the last run.
    #[arg(short, long, value_name = "FILE", add = names::pipelines(), conflicts_with = "run")]
    pub file: Option<PathBuf>,
    /// The run; the default is the last one that reached the stage.
    #[arg(long, value_name = "RUN", add = names::runs())]
    pub run: Option<String>,
}

impl WhereArguments {
    /// What they narrow the search to.
    pub fn place(&self) -> Where<'_> {
        Where { file: self.file.as_deref(), run: self.run.as_deref() }
    }
}

/// What narrows the search.
pub struct Where<'a> {
    /// The pipeline; the default is that of the last run.
    pub file: Option<&'a Path>,
    /// The run; the default is the last one that reached the stage.
    pub run: Option<&'a str>,
}

/// The stage called `name`.
pub fn find(project: &Project, store: &Store, name: &str, place: &Where) -> Result<Made, Failure> {
    search(project, store, &[name], place)
}

/// The stage called `name`, or the stage and one of its ports where that is `STAGE.PORT`.
pub fn find_port(
    project: &Project,
    store: &Store,
    name: &str,
    place: &Where,
) -> Result<(Made, Option<String>), Failure> {
    let Some((stage, port)) = name.rsplit_once('.') else {
        return Ok((find(project, store, name, place)?, None));
    };
    // The label of an instance may hold a dot (`train[lr=0.1]`), so the whole is tried too.
    let made = search(project, store, &[name, stage], place)?;
    let port = (made.name != name).then(|| port.to_owned());
    Ok((made, port))
}

/// The newest run that knows one of `names` and gave it a key; failing that, the newest that knows it.
fn search(project: &Project, store: &Store, names: &[&str], place: &Where) -> Result<Made, Failure> {
    let history = History::open(store);
    let (mut newest, mut unreached) = (None, None);
    for report in reports(project, &history, place)? {
        let found = names.iter().find_map(|name| report.stages.get_key_value(*name));
        if let Some((name, stage)) = found.map(|(name, stage)| (name.to_string(), stage.clone())) {
            let record = stage.key.and_then(|key| store.past_record(&key));
            let reached = stage.key.is_some();
            let made = Made { report, name, stage, record };
            if reached {
                return Ok(made);
            }
            unreached.get_or_insert(made);
        } else {
            newest.get_or_insert(report);
        }
    }
    unreached.ok_or_else(|| match newest {
        None => nothing_ran(),
        Some(report) => unknown(names[names.len() - 1], &report),
    })
}

/// The report of the run that `words` mean.
pub fn report(history: &History, words: &str) -> Result<RunReport, Failure> {
    let run = history.find(words)?;
    history.report(run).ok_or_else(|| {
        let message = format!("run {run} left no report that this version reads: it goes on, or was killed");
        Failure::usage(message, "pipe runs".to_owned())
    })
}

type Reports<'a> = Box<dyn Iterator<Item = RunReport> + 'a>;

/// The runs to look at, newest first.
fn reports<'a>(project: &Project, history: &'a History, place: &Where) -> Result<Reports<'a>, Failure> {
    if let Some(words) = place.run {
        return Ok(Box::new(std::iter::once(report(history, words)?)));
    }
    let pipeline = match place.file {
        Some(file) => project.plan_file(file, &ParamArguments::default())?.pipeline,
        None => history.reports().next().map(|report| report.pipeline).ok_or_else(nothing_ran)?,
    };
    Ok(Box::new(history.reports().filter(move |report| report.pipeline == pipeline)))
}

fn nothing_ran() -> Failure {
    Failure::usage("nothing has run here yet", "pipe run FILE".to_owned())
}

fn unknown(name: &str, report: &RunReport) -> Failure {
    let names = report.stages.keys().map(|name| name.as_str());
    let message = format!("no stage `{name}` in run {} of pipeline `{}`", report.run, report.pipeline);
    Failure::usage(message, suggest::help(name, names))
}

impl From<NoSuchRun> for Failure {
    fn from(error: NoSuchRun) -> Failure {
        Failure::usage(error.to_string(), "pipe runs lists them; `last` and `last~1` are runs too".to_owned())
    }
}
