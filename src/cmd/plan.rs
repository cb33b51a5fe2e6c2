//! `pipe plan`.

use std::collections::BTreeSet;

use serde_json::Value;

use clap::Args;
use contract::foresight::Answer;

use super::arguments::PipelineArguments;
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::config::Config;
use crate::engine::costs::{self, RunBounds};
use crate::engine::forecast::{self, Forecast, Outlook, Supposed};
use crate::engine::history::History;
use crate::engine::undeclared::{self, Unseen};
use crate::executor::remote::RemotePlace;
use crate::plan::{Plan, PlannedStage, Work};
use crate::remote::Place;
use crate::report::compare::{Change, changes};
use crate::report::estimate::{self, PlanCosts};
use crate::report::outlook::{self as report, Totals};
use crate::report::style::Color;
use crate::store::Store;

/// `pipe plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe plan pipelines/full.yaml -S lr=1e-4
  pipe plan pipelines/full.yaml --needs    the worker programs it wants
  pipe plan pipelines/full.yaml --cost     what it would cost elsewhere
  pipe plan pipelines/full.yaml --cost --json | jq .cost.most")]
pub(super) struct PlanArguments {
    #[command(flatten)]
    pub pipeline: PipelineArguments,
    /// For this once, run the stages of one backend on another: --backend gpu=local (may be repeated). --backend try moves every stage
    /// that names a backend other than `local`.
    #[arg(long = "backend", value_name = "[NAME=]OTHER", add = names::backends())]
    pub backends: Vec<String>,
    /// Print only the names of the worker programs that the pipeline needs.
    #[arg(long, conflicts_with = "json")]
    pub needs: bool,
    /// Show what a run would cost beyond this machine: bounds, from the prices of its places and the times of earlier runs. Stages that
    /// are up to date or run here cost nothing; for them nobody is asked.
    #[arg(long, conflicts_with = "needs")]
    pub cost: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &PlanArguments) -> Result<Exit, Failure> {
    let plan = project.plan(&arguments.pipeline)?;
    if arguments.needs {
        project.recognize_store()?;
        output::text(&needs(&plan, &project.config));
        return Ok(Exit::Success);
    }
    let store = project.store()?;
    if arguments.cost {
        let forecasts = forecast::forecast(&plan, &store)?;
        store.save_memo()?;
        costs(
            &plan,
            &costs::bounds(&plan, &store, &forecasts, &project.config.elsewhere(), &BTreeSet::new()),
            arguments,
        );
        return Ok(Exit::Success);
    }
    let outlook = forecast::outlook(&plan, &store, &project.config.elsewhere())?;
    store.save_memo()?;
    let params = changed_params(&store, &plan, &outlook);
    let unseen = undeclared::unseen(&plan, &store);
    if arguments.json {
        output::document(&document(&plan, &outlook, &params, &unseen));
    } else {
        output::warnings(&unseen);
        output::text(&report::render(&plan, &outlook, &params, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

/// What a run would cost.
fn costs(plan: &Plan, bounds: &RunBounds, arguments: &PlanArguments) {
    if arguments.json {
        let (pipeline, cost) = (plan.pipeline.to_string(), bounds.clone());
        return output::document(&PlanCosts { pipeline, estimate: estimate::ESTIMATE, cost });
    }
    output::text(&estimate::render(bounds, Color::of_stdout()));
}

/// The params of the pipeline that differ from those of its last run; none where it never ran.
fn changed_params(store: &Store, plan: &Plan, outlook: &Outlook) -> Vec<Change<Value>> {
    // The reports of other pipelines are not searched for a run that never was.
    if !outlook.is_learned() && !outlook.stages.iter().any(|forecast| matches!(forecast, Forecast::Hit { .. })) {
        return Vec::new();
    }
    let last = History::open(store).reports().find(|report| report.pipeline == plan.pipeline);
    last.map(|last| changes(&last.params, &plan.params)).unwrap_or_default()
}

fn document(plan: &Plan, outlook: &Outlook, params: &[Change<Value>], unseen: &[Unseen]) -> Value {
    let stages = plan.graph.node_weights().zip(&outlook.stages);
    let mut stages: serde_json::Map<_, _> =
        stages.map(|(stage, forecast)| (stage.name.to_string(), json(plan, stage, forecast))).collect();
    for (stage, answer) in &outlook.foreseen {
        if let (Answer::Foreseen(foresight), Some(document)) =
            (answer, stages.get_mut(plan.graph[*stage].name.as_str()))
        {
            document["memory"] = foresight.memory.into();
            document["note"] = foresight.note.clone().into();
        }
    }
    serde_json::json!({
        "pipeline": plan.pipeline,
        "file": plan.file,
        "expected_seconds": outlook.expected,
        "at_most_seconds": outlook.at_most,
        "totals": Totals::of(&outlook.stages),
        "changed_params": params,
        "warnings": unseen,
        "stages": stages,
    })
}

/// The programs that a run needs, one a line: the workers that the pipeline's kinds name, and what serves the remote and the places
/// of its stages.
fn needs(plan: &Plan, config: &Config) -> String {
    let remote = config.shared();
    let elsewhere = config.elsewhere();
    let used: BTreeSet<&str> = plan.graph.node_weights().map(|stage| stage.backend.as_str()).collect();
    let places = used.iter().filter_map(|name| elsewhere.get(*name)).flat_map(RemotePlace::programs);
    let workers = plan.graph.node_weights().filter_map(|stage| match &stage.work {
        Work::Card { card, .. } => match &card.worker {
            contract::Worker::Program(program) => Some(program.clone()),
            contract::Worker::Command(_) => None,
        },
        Work::Command(_) => None,
    });
    let programs: BTreeSet<String> = workers.chain(remote.and_then(Place::program)).chain(places).collect();
    programs.into_iter().map(|program| format!("{program}\n")).collect()
}

fn json(plan: &Plan, stage: &PlannedStage, forecast: &Forecast) -> Value {
    match forecast {
        Forecast::Undecided { until, last } => serde_json::json!({
            "forecast": "undecided",
            "unknown_until": plan.graph[*until].name,
            "expected_seconds": last.as_ref().map(|record| record.usage.seconds),
        }),
        Forecast::Skipped { cause } => serde_json::json!({"forecast": "skipped", "cause": cause}),
        Forecast::Refused { message } => serde_json::json!({"forecast": "refused", "message": message}),
        Forecast::Hit { key, away, .. } => serde_json::json!({
            "forecast": "hit",
            "key": key,
            "elsewhere": away.as_ref().map(|away| &away.remote),
            "code_changed": forecast.code_changed(&stage.work),
        }),
        Forecast::Run { key, miss, changes, last } => serde_json::json!({
            "forecast": "run",
            "key": key,
            "reason": miss.to_string(),
            "changes": changes,
            "expected_seconds": last.as_ref().map(|record| record.usage.seconds),
        }),
        Forecast::Unknown { waits_for, supposed, changes, last } => serde_json::json!({
            "forecast": "unknown",
            "if_unchanged": match supposed {
                Supposed::Hit => "hit",
                Supposed::Run | Supposed::NeverRan => "run",
            },
            "changes": changes,
            "waits_for": waits_for.iter().map(|stage| &plan.graph[*stage].name).collect::<Vec<_>>(),
            "expected_seconds": last.as_ref().map(|record| record.usage.seconds),
        }),
    }
}
