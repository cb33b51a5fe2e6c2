//! `pipe cache pull`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::remote::Transfers;
use crate::cmd::arguments::{ParamArguments, PipelineArguments};
use crate::cmd::complete::names;
use crate::cmd::failure::Failure;
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::engine::fetching::{self, FetchError};
use crate::engine::known;
use crate::plan::StageId;
use crate::remote::Extent;
use crate::report::units;

/// `pipe cache pull`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache pull -f pipelines/full.yaml           all that the remote has of it
  pipe cache pull model -f pipelines/full.yaml     only what `model` needs
  pipe cache pull                                  of the pipeline that ran last

Brings into the local store what the remote of pipe.yaml has of the stages as they are written now; `pipe run` then finds \
it. Every byte is checked on the way. `remote: {share: true}` makes every run do this by itself.")]
pub(crate) struct PullArguments {
    /// Stages that are wanted, with all that they need; the default is every stage.
    #[arg(value_name = "STAGE", add = names::stages())]
    pub stages: Vec<String>,
    /// The pipeline; the default is that of the last run.
    #[arg(short, long, value_name = "FILE", add = names::pipelines())]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub params: ParamArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &PullArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => project.last_file(&store)?,
    };
    let params = ParamArguments {
        overrides: arguments.params.overrides.clone(),
        param_files: arguments.params.param_files.clone(),
    };
    let plan = project.plan(&PipelineArguments { file, stages: arguments.stages.clone(), params })?;
    let _hold = store.hold()?;
    let transfers = Transfers::open(project, "pulling")?;
    if transfers.remote.is_new() {
        output::errors(&format!("nothing was pushed to {} yet: is it there?\n", transfers.remote.place()));
    }
    let mut broken = None;
    let fetched = transfers.watch(|remote, meter, watch| {
        match fetching::fetch(&plan, &store, remote, known(&plan), &|_| true, Extent::Content, (meter, watch)) {
            Ok(fetched) => Ok(Some(fetched)),
            Err(FetchError::Transfer(error)) => Err(error),
            Err(FetchError::Engine(error)) => {
                broken = Some(error);
                Ok(None)
            }
        }
    })?;
    store.save_memo()?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    let Some(fetched) = fetched.flatten() else { return Ok(Exit::Interrupted) };
    let name = |stage: &StageId| plan.graph[*stage].name.to_string();
    for (stage, why) in &fetched.refused {
        output::errors(&format!("warning: {}: what the remote has of it is not used: {why}\n", name(stage)));
    }
    let url = &transfers.remote.place().url;
    if arguments.json {
        let names = |stages: &[StageId]| stages.iter().map(name).collect::<Vec<_>>();
        let refused = fetched.refused.iter().map(|(stage, why)| json!({"stage": name(stage), "why": why.to_string()}));
        output::document(&json!({
            "remote": url,
            "pulled": names(&fetched.came),
            "bytes": transfers.meter.done(),
            "here": names(&fetched.here),
            "absent": names(&fetched.absent),
            "refused": refused.collect::<Vec<_>>(),
        }));
        return Ok(Exit::Success);
    }
    let (came, here) = (fetched.came.len() as u64, fetched.here.len() as u64);
    output::text(&format!(
        "pulled {}, {} from {url}; {} were here\n",
        units::count(came, "stage"),
        units::bytes(transfers.meter.done()),
        units::count(here, "stage")
    ));
    if !fetched.absent.is_empty() {
        let names = fetched.absent.iter().map(name).collect::<Vec<_>>().join(", ");
        output::text(&format!("not there, with what needs it: {names}\n"));
    }
    Ok(Exit::Success)
}
