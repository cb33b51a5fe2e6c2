//! `pipe run`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::arguments::PipelineArguments;
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output, run_dir, why};
use crate::config::{GovernorConfig, Throttle};
use crate::engine::{
    self, Earlier, Extent, FailedWork, Finished, Interrupt, Observer, OnFailure, Options, Publishing, RunOutcome,
    costs, forecast, history, traces,
};
use crate::governor::Limits;
use crate::plan::Plan;
use crate::plan::request::CONFIG;
use crate::report::journal::{Journal, Trouble};
use crate::report::plain::{Amount, Plain};
use crate::report::progress::Live;
use crate::report::rows;
use crate::report::style::{self, Color};
use crate::report::summary::{self, Closing};
use crate::report::{Displaced, Fanout, Recent, estimate, units};
use crate::spec::StageName;
use crate::store::Store;

/// `pipe run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe run pipelines/hello.yaml
  pipe run pipelines/full.yaml dataset         only what `dataset` needs
  pipe run pipelines/full.yaml -S lr=1e-4 -S seed=7
  pipe run pipelines/full.yaml --jobs 2 --json | jq .outcome
  pipe run pipelines/full.yaml --refresh model   is it reproducible?
  pipe run pipelines/full.yaml model --materialize   bring its content here
  pipe run pipelines/full.yaml --fail-fast --keep-work
  pipe run pipelines/full.yaml --max-cost 2.50   US dollars, spent elsewhere
  pipe run pipelines/full.yaml --prune           remove outputs of earlier runs
  pipe run pipelines/full.yaml --events - --quiet | jq .event

A second run executes nothing. Outputs lie under out/PIPELINE/STAGE/PORT; the store is cache/. Runs that publish to \
the same places follow one another: the later one publishes at its end. Ctrl-C once lets stages take a checkpoint, \
twice kills them; the next run goes on from there.")]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub pipeline: PipelineArguments,
    /// Workers at once; the default is careful: at most 4, fewer when the machine is busy.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Hold nothing back because the machine is busy: only --jobs and what stages declare count.
    #[arg(long)]
    pub no_throttle: bool,
    /// For this once, run the stages of one backend on another: --backend gpu=local (may be repeated). --backend try moves every stage
    /// that names a backend other than `local`.
    #[arg(long = "backend", value_name = "[NAME=]OTHER", add = names::backends())]
    pub backends: Vec<String>,
    /// Refuse a run that may cost more than so many US dollars beyond this machine, as `pipe plan --cost` tells it; and launch no
    /// further attempt there once so much is spent. What runs goes on.
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true)]
    pub max_cost: Option<f64>,
    /// Stop at the first failure; the default is to go on with whatever does not need what failed.
    #[arg(long)]
    pub fail_fast: bool,
    /// Execute this stage although it has a record, and say when it gives something else (may be repeated).
    #[arg(long, value_name = "STAGE", add = names::stages())]
    pub refresh: Vec<String>,
    /// Keep the private directory of a stage that fails, under cache/work/kept/RUN/STAGE.
    #[arg(long)]
    pub keep_work: bool,
    /// Fetch from the remote also what nothing reads here: every output of the stages asked for, and put it in its place.
    #[arg(long)]
    pub materialize: bool,
    /// Put nothing into the workspace; what is made stays in the store. Runs that publish need not be waited for.
    #[arg(long, conflicts_with = "prune")]
    pub no_publish: bool,
    /// Remove published outputs that are not of this run: of stages that failed, were skipped or are no longer in the pipeline. What
    /// somebody changed stays, and the store keeps all of it.
    #[arg(long)]
    pub prune: bool,
    /// Write every event as a line of JSON, as it happens, to this file; `-` is standard output.
    #[arg(long, value_name = "FILE", add = names::files())]
    pub events: Option<PathBuf>,
    /// Say nothing but what went wrong.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print one JSON document at the end instead of text.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &RunArguments) -> Result<Exit, Failure> {
    let store = Arc::new(project.store()?);
    let plan = project.plan_to_run(&arguments.pipeline, &store)?;
    let refresh = refreshed(&plan, &arguments.refresh)?;
    if let Some(most) = arguments.max_cost {
        afford(project, &plan, &store, &refresh, most)?;
    }
    let options = Options {
        run: run_id(),
        around: crate::backend::runs_around(),
        jobs: project.config.governor.jobs.value.map(usize::from),
        limits: limits(&project.config.governor),
        on_failure: if arguments.fail_fast { OnFailure::Stop } else { OnFailure::KeepGoing },
        failed_work: if arguments.keep_work { FailedWork::Keep } else { FailedWork::Remove },
        refresh,
        materialize: materialized(project, &plan, arguments)?,
        publishing: if arguments.no_publish { Publishing::No } else { Publishing::Yes },
        extent: if arguments.pipeline.stages.is_empty() { Extent::Whole } else { Extent::Part },
        remote: project.config.shared().cloned(),
        elsewhere: project.config.elsewhere(),
        max_cost: arguments.max_cost,
        vault: project.config.vault(),
        earlier: if arguments.prune { Earlier::Prune } else { Earlier::Keep },
    };
    let run_dir = run_dir::choose(&store, &options.run, &project.root);
    let mut observer =
        Fanout(vec![Box::new(Journal::keep(&run_dir, &options.run)), screen(arguments, run_dir.join("logs"))]);
    let (displaced, aside) = (Displaced::default(), store.displaced_dir(&options.run));
    observer.0.push(Box::new(displaced.clone()));
    let recent = Recent::default();
    observer.0.push(Box::new(recent.clone()));
    let stream = events(arguments)?;
    let trouble = stream.map(|(journal, trouble)| {
        observer.0.push(Box::new(journal));
        trouble
    });
    // Until the program ends: also what follows the run is not to be cut short by the first Ctrl-C, nor to outlast the second.
    let mut interrupt = Interrupt::listen(rows::say)?;
    let Finished { mut report, broken } = engine::run(plan, &store, options, &mut observer, &mut interrupt);
    report.file = project.relative(&report.file);
    keep(&run_dir, &report);
    tidy(&store, project.config.runs.keep.value);
    if let Some(error) = trouble.and_then(|trouble| trouble.take()) {
        if arguments.events.as_deref() == Some(Path::new("-")) {
            output::note(Err(error));
        } else {
            output::errors(&format!("warning: the event stream ends early: {error}\n"));
        }
    }
    if arguments.json {
        output::document(&report);
    } else {
        if !arguments.quiet || report.outcome != RunOutcome::Succeeded {
            let publishing = if arguments.no_publish { Publishing::No } else { Publishing::Yes };
            let closing = Closing {
                again: &command(),
                displaced: displaced.count(),
                aside: &aside,
                publishing,
                told: recent.is_in_view(),
                columns: rows::columns(),
            };
            output::errors(&summary::render(&report, &closing, Color::of_stderr()));
        }
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

fn limits(config: &GovernorConfig) -> Limits {
    match config.throttle.value {
        Throttle::On => Limits { cpu: config.cpu.value, memory: config.memory.value },
        Throttle::Off => Limits::NONE,
    }
}

/// An amount on the command line.
fn dollars(text: &str) -> Result<f64, String> {
    let amount = text.parse::<f64>().ok().filter(|amount| amount.is_finite() && *amount >= 0.0);
    amount.ok_or_else(|| "give an amount in US dollars, such as 2.50".to_owned())
}

/// Refuses a run that may cost more than this.
fn afford(
    project: &Project,
    plan: &Plan,
    store: &Store,
    refresh: &BTreeSet<StageName>,
    most: f64,
) -> Result<(), Failure> {
    let elsewhere = project.config.elsewhere();
    if !plan.graph.node_weights().any(|stage| elsewhere.contains_key(stage.backend.as_str())) {
        return Ok(());
    }
    let forecasts = forecast::forecast(plan, store)?;
    let bounds = costs::bounds(plan, store, &forecasts, &elsewhere, refresh);
    match estimate::refusal(&bounds, most) {
        Some((message, help)) => Err(Failure::usage(message, help)),
        None => Ok(()),
    }
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

/// The stages whose outputs are to be here: those asked for, or all.
fn materialized(project: &Project, plan: &Plan, arguments: &RunArguments) -> Result<BTreeSet<StageName>, Failure> {
    if !arguments.materialize {
        return Ok(BTreeSet::new());
    }
    if project.config.shared().is_none() {
        let help = format!("write `remote: {{url: .., share: true}}` into {CONFIG}, or fetch by `pipe cache pull`");
        return Err(Failure::usage("--materialize fetches from a remote that runs share, and there is none", help));
    }
    if arguments.pipeline.stages.is_empty() {
        return Ok(plan.graph.node_weights().map(|stage| stage.name.clone()).collect());
    }
    refreshed(plan, &arguments.pipeline.stages)
}

/// This command, as it can be typed again.
fn command() -> String {
    let words = std::env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy().into_owned();
        let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=./:,+@%".contains(&byte));
        if plain && !word.is_empty() { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    std::iter::once("pipe".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Live lines for a person, plain ones for anything else.
fn screen(arguments: &RunArguments, logs: PathBuf) -> Box<dyn Observer> {
    let color = Color::of_stderr();
    if arguments.quiet {
        Box::new(Plain::new(color, Amount::Trouble, logs))
    } else if style::can_move(&std::io::stderr()) {
        Box::new(Live::new(color, logs))
    } else {
        Box::new(Plain::new(color, Amount::Story, logs))
    }
}

/// The stream that was asked for.
fn events(arguments: &RunArguments) -> Result<Option<(Journal, Trouble)>, Failure> {
    let Some(path) = &arguments.events else { return Ok(None) };
    let to: Box<dyn Write> = if path.as_os_str() == "-" {
        if arguments.json {
            let help = "leave one of them out, or write the events to a file".to_owned();
            return Err(Failure::usage("--json and --events - both want standard output", help));
        }
        Box::new(std::io::stdout())
    } else {
        let file = File::create(path);
        Box::new(file.map_err(|e| Failure::usage(format!("cannot write events to {}: {e}", path.display()), None))?)
    };
    Ok(Some(Journal::stream(to)))
}

/// The report explains the run later; a run that did its work is not failed for the lack of it.
fn keep(run_dir: &Path, report: &engine::RunReport) {
    if let Err(error) = history::write_report(run_dir, report) {
        output::errors(&format!("warning: the run's report could not be kept: {error}\n"));
    }
}

/// Old runs make way. A run that did its work is not failed because they could not.
fn tidy(store: &Store, kept: u32) {
    match traces::prune(store, kept) {
        Err(error) if !error.is_read_only() => {
            output::errors(&format!("warning: old runs could not be removed: {error}\n"));
        }
        _ => {}
    }
}

/// Sorts by time; the process id keeps two runs of one second apart.
pub(super) fn run_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:03}-{:x}", units::timestamp(now.as_secs()), now.subsec_millis(), std::process::id())
}
