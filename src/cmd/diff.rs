//! `pipe diff`.

use clap::Args;

use super::complete::names;
use super::failure::Failure;
use super::made;
use super::project::Project;
use super::{Exit, output};
use crate::engine::RunReport;
use crate::engine::history::History;
use crate::report::compare;
use crate::report::style::Color;

/// `pipe diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe diff                       the last run and the one before it
  pipe diff 20261123-1405         this run and the last of its pipeline
  pipe diff last~1 last           two runs by name, also of different pipelines
  pipe diff last~1 last --json | jq '.stages[].metrics'

Compared are params, and of every stage its params, inputs and script, its metrics, outputs and time. Stages that were \
only restored or served from the store are alike.")]
pub(super) struct DiffArguments {
    /// The run to compare with; the default is the one before the last run, of the same pipeline.
    #[arg(value_name = "RUN", add = names::runs())]
    pub before: Option<String>,
    /// The run in question; the default is the last one of that pipeline.
    #[arg(value_name = "RUN", add = names::runs())]
    pub now: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &DiffArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let history = History::open(&store);
    let (before, now) = sides(&history, arguments)?;
    let comparison = compare::compare(&before, &now, |key| store.past_record(key));
    if arguments.json {
        output::document(&comparison);
    } else {
        output::text(&compare::render(&comparison, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

/// The two runs. Of those that are not named, the newest of the same pipeline.
fn sides(history: &History, arguments: &DiffArguments) -> Result<(RunReport, RunReport), Failure> {
    let help = || "pipe runs lists them; name two to compare any".to_owned();
    match (&arguments.before, &arguments.now) {
        (Some(before), Some(now)) => Ok((made::report(history, before)?, made::report(history, now)?)),
        (Some(before), None) => {
            let before = made::report(history, before)?;
            let newest = history.reports().find(|report| report.pipeline == before.pipeline);
            let now = newest.filter(|now| now.run != before.run).ok_or_else(|| {
                let message = format!("run {} is the last one of pipeline `{}`", before.run, before.pipeline);
                Failure::usage(message, help())
            })?;
            Ok((before, now))
        }
        (None, _) => {
            let mut reports = history.reports();
            let now =
                reports.next().ok_or_else(|| Failure::usage("nothing has run here yet", "pipe run FILE".to_owned()))?;
            let before = reports.find(|report| report.pipeline == now.pipeline).ok_or_else(|| {
                let message = format!("run {} is the only one of pipeline `{}`", now.run, now.pipeline);
                Failure::usage(message, help())
            })?;
            Ok((before, now))
        }
    }
}
