//! The outcome of a stage, or of every instance of a matrix, in earlier runs: behind `show`, `get`, `logs` and `cache pin`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;

use super::arguments::ParamArguments;
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use crate::engine::history::{History, NoSuchRun};
use crate::engine::{RunReport, StageReport};
use crate::plan::instances::family;
use crate::spec::suggest;
use crate::store::{Record, Store};

/// A stage in an earlier run.
pub(super) struct Made {
    /// The run. Instances of a matrix mostly share it.
    pub report: Rc<RunReport>,
    /// The stage.
    pub name: String,
    /// Its outcome there.
    pub stage: StageReport,
    /// The record of its action; absent when it gave nothing or the record is gone.
    pub record: Option<Record>,
}

impl Made {
    fn of(store: &Store, report: &Rc<RunReport>, name: &str) -> Option<Made> {
        let stage = report.stages.get(name)?.clone();
        let record = stage.key.and_then(|key| store.past_record(&key));
        Some(Made { report: Rc::clone(report), name: name.to_owned(), stage, record })
    }

    fn is_reached(&self) -> bool {
        self.stage.key.is_some()
    }
}

/// The meaning of a name.
pub(super) enum Found {
    /// A stage, or one instance.
    Stage(Box<Made>),
    /// A matrix.
    Matrix {
        /// Its name.
        name: String,
        /// Its instances, as in the newest run that knows it, in that run's order.
        instances: Vec<Made>,
    },
}

impl Found {
    /// The name that was found.
    fn name(&self) -> &str {
        match self {
            Found::Stage(made) => &made.name,
            Found::Matrix { name, .. } => name,
        }
    }
}

/// The limits of the search, as flags.
#[derive(Debug, Args)]
pub(super) struct WhereArguments {
    /// The pipeline; the default is that of the last run.
    #[arg(short, long, value_name = "FILE", add = names::pipelines(), conflicts_with = "run")]
    pub file: Option<PathBuf>,
    /// The run; the default is the last one that reached the stage.
    #[arg(long, value_name = "RUN", add = names::runs())]
    pub run: Option<String>,
}

impl WhereArguments {
    /// The limits of the search.
    pub(super) fn place(&self) -> Where<'_> {
        Where { file: self.file.as_deref(), run: self.run.as_deref() }
    }
}

/// The limits of the search.
pub(super) struct Where<'a> {
    /// The pipeline; the default is that of the last run.
    pub file: Option<&'a Path>,
    /// The run; the default is the last one that reached the stage.
    pub run: Option<&'a str>,
}

/// The stage or the matrix called `name`.
pub(super) fn find(project: &Project, store: &Store, name: &str, place: &Where) -> Result<Found, Failure> {
    search(project, store, &[name], place)
}

/// As [`find`], or it and one of its ports where `name` is `STAGE.PORT`.
pub(super) fn find_port(
    project: &Project,
    store: &Store,
    name: &str,
    place: &Where,
) -> Result<(Found, Option<String>), Failure> {
    let Some((stage, port)) = name.rsplit_once('.') else {
        return Ok((find(project, store, name, place)?, None));
    };
    // The label of an instance may hold a dot (`train[lr=0.1]`), so the whole is tried too.
    let found = search(project, store, &[name, stage], place)?;
    let port = (found.name() != name).then(|| port.to_owned());
    Ok((found, port))
}

/// The newest run that knows one of `names` and gave it a key; failing that, the newest that knows it. Each instance of a matrix
/// is looked for like that.
fn search(project: &Project, store: &Store, names: &[&str], place: &Where) -> Result<Found, Failure> {
    let history = History::open(store);
    let (mut newest, mut unreached) = (None, None);
    let mut reports = reports(project, &history, place)?;
    while let Some(report) = reports.next().map(Rc::new) {
        if let Some(made) = names.iter().find_map(|name| Made::of(store, &report, name)) {
            if made.is_reached() {
                return Ok(Found::Stage(Box::new(made)));
            }
            unreached.get_or_insert(made);
            continue;
        }
        if let Some(name) = names.iter().find(|name| instances(&report, name).next().is_some())
            && unreached.is_none()
        {
            return Ok(Found::Matrix { name: (*name).to_owned(), instances: every(store, name, &report, reports) });
        }
        newest.get_or_insert(report);
    }
    let found = unreached.map(|made| Found::Stage(Box::new(made)));
    found.ok_or_else(|| match newest {
        None => nothing_ran(),
        Some(report) => unknown(names[names.len() - 1], &report),
    })
}

/// The instances of the matrix `name` in a run.
fn instances<'a>(report: &'a RunReport, name: &'a str) -> impl Iterator<Item = &'a str> {
    let names = report.stages.keys().map(|name| name.as_str());
    names.filter(move |it| family(it).is_some_and(|(family, _)| family == name))
}

/// The instances of `report`; one that it did not reach as an earlier run left it.
fn every(store: &Store, name: &str, report: &Rc<RunReport>, mut earlier: Reports) -> Vec<Made> {
    let mut all: Vec<Made> = instances(report, name).filter_map(|it| Made::of(store, report, it)).collect();
    while all.iter().any(|made| !made.is_reached()) {
        let Some(report) = earlier.next().map(Rc::new) else { break };
        for made in all.iter_mut().filter(|made| !made.is_reached()) {
            if let Some(reached) = Made::of(store, &report, &made.name).filter(Made::is_reached) {
                *made = reached;
            }
        }
    }
    all
}

/// The newest run of those that `place` leaves, with a report.
pub(super) fn newest(project: &Project, history: &History, place: &Where) -> Result<RunReport, Failure> {
    reports(project, history, place)?.next().ok_or_else(nothing_ran)
}

/// The report of the run that `words` mean.
pub(super) fn report(history: &History, words: &str) -> Result<RunReport, Failure> {
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
