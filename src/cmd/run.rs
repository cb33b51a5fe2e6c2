//! `pipe run`.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Arc;

use super::arguments::RunArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output, why};
use crate::engine::{self, FailedWork, Finished, Observer, OnFailure, Options, RunOutcome, history};
use crate::plan::Plan;
use crate::report::journal::Journal;
use crate::report::plain::Plain;
use crate::report::progress::Live;
use crate::report::style::Color;
use crate::report::{Fanout, summary, units};
use crate::spec::StageName;
use crate::store::Store;

pub fn run(arguments: &RunArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let store = Arc::new(project.store()?);
    let plan = project.plan_to_run(&arguments.pipeline, &store)?;
    let options = Options {
        run: run_id(),
        jobs: project.config.governor.jobs.value.map(usize::from),
        on_failure: if arguments.fail_fast { OnFailure::Stop } else { OnFailure::KeepGoing },
        failed_work: if arguments.keep_work { FailedWork::Keep } else { FailedWork::Remove },
        refresh: refreshed(&plan, &arguments.refresh)?,
    };
    let journal = Journal::keep(&store.run_dir(&options.run));
    let mut observer = Fanout(vec![Box::new(journal), screen()]);
    let Finished { mut report, broken } = engine::run(plan, &store, options, &mut observer);
    report.file = project.relative(&report.file);
    keep(&store, &report);
    if arguments.json {
        output::document(&report);
    } else {
        output::errors(&summary::render(&report, Color::of_stderr()));
        // Last, where it is seen: it is why the run could not go on.
        if let Some(error) = broken {
            return Err(error.into());
        }
    }
    Ok(match report.outcome {
        RunOutcome::Succeeded => Exit::Success,
        RunOutcome::Failed => Exit::StageFailed,
        RunOutcome::Interrupted => Exit::Interrupted,
        RunOutcome::Broken => Exit::Broken,
    })
}

/// The stages that are to be executed whatever their records say. The name of a matrix means all its instances.
fn refreshed(plan: &Plan, names: &[String]) -> Result<BTreeSet<StageName>, Failure> {
    let mut refreshed = BTreeSet::new();
    for name in names {
        let is_meant = |stage: &str| {
            let rest = stage.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        let before = refreshed.len();
        let stages = plan.graph.node_weights().map(|stage| &stage.name);
        refreshed.extend(stages.filter(|stage| is_meant(stage.as_str())).cloned());
        if refreshed.len() == before {
            // Says which stage was meant, where the name is not among those asked for already.
            why::find(plan, name)?;
        }
    }
    Ok(refreshed)
}

/// Live lines for a person, plain ones for anything else.
fn screen() -> Box<dyn Observer> {
    if std::io::stderr().is_terminal() && Color::of_stderr() == Color::On {
        Box::new(Live::new())
    } else {
        Box::new(Plain::new(Color::Off))
    }
}

/// The report explains the run later; a run that did its work is not failed for the lack of it.
fn keep(store: &Store, report: &engine::RunReport) {
    if let Err(error) = history::write_report(store, report) {
        output::errors(&format!("warning: the run's report could not be kept: {error}\n"));
    }
}

/// Sorts by time; the process id keeps two runs of one second apart.
fn run_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:03}-{:x}", units::timestamp(now.as_secs()), now.subsec_millis(), std::process::id())
}
