//! `pipe run`.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Arc;

use super::arguments::RunArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::{self, FailedWork, Finished, Observer, OnFailure, Options, RunOutcome, history};
use crate::report::journal::Journal;
use crate::report::plain::Plain;
use crate::report::progress::Live;
use crate::report::style::Color;
use crate::report::{Fanout, summary, units};
use crate::store::Store;

pub fn run(arguments: &RunArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let store = Arc::new(project.store()?);
    let plan = project.plan_to_run(&arguments.pipeline, &store)?;
    let options = Options {
        run: run_id(),
        jobs: arguments.jobs.map(usize::from),
        on_failure: if arguments.fail_fast { OnFailure::Stop } else { OnFailure::KeepGoing },
        failed_work: FailedWork::Remove,
        refresh: BTreeSet::new(),
    };
    let journal = Journal::create(&store.run_dir(&options.run));
    let mut observer = Fanout(vec![Box::new(journal), screen()]);
    let Finished { report, broken } = engine::run(plan, &store, options, &mut observer);
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
