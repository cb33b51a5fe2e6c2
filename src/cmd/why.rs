//! `pipe why`.

use std::fmt::Write;

use std::path::PathBuf;

use clap::Args;

use super::arguments::ParamArguments;
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::action::difference::Difference;
use crate::engine::forecast::{self, Forecast};
use crate::engine::foresight::Foreseen;
use crate::plan::instances::family;
use crate::plan::{Plan, PlannedStage, StageId};
use crate::report::clean::cell;
use crate::report::figure::Detail;
use crate::report::lines;
use crate::report::outlook::{self, code_changed};
use crate::report::style::Color;
use crate::report::units;
use crate::spec::Location;
use crate::spec::suggest;

/// `pipe why`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe why model                    against the last run's pipeline
  pipe why model -f pipelines/full.yaml -S lr=1e-4

Without --file the pipeline of the last run is meant.")]
pub(super) struct WhyArguments {
    /// The stage.
    #[arg(value_name = "STAGE", add = names::stage())]
    pub stage: String,
    /// The pipeline; the default is that of the last run.
    #[arg(short, long, value_name = "FILE", add = names::pipelines())]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub params: ParamArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &WhyArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let file = arguments.file.clone().map_or_else(|| project.last_file(&store), Ok)?;
    let plan = project.plan_file(&file, &arguments.params)?;
    let instances = instances(&plan, &arguments.stage);
    let stage = if instances.is_empty() { Some(find(&plan, &arguments.stage)?) } else { None };
    let forecasts = forecast::forecast(&plan, &store)?;
    store.save_memo()?;
    let of = |stage: StageId| (&plan.graph[stage], &forecasts[stage.index()]);
    match stage.map(of) {
        Some((planned, forecast)) if arguments.json => output::document(&json(&plan, planned, forecast)),
        Some((planned, forecast)) => output::text(&text(&plan, planned, forecast, Color::of_stdout())),
        None if arguments.json => {
            let instances = instances.iter().map(|stage| of(*stage)).map(|(planned, it)| json(&plan, planned, it));
            let instances: Vec<_> = instances.collect();
            output::document(&serde_json::json!({"stage": arguments.stage, "instances": instances}));
        }
        None => {
            let lines = outlook::lines(&plan, &instances, (&forecasts[..], &Foreseen::new()), Color::of_stdout());
            output::text(&format!("{lines}next: pipe why '{}'\n", plan.graph[instances[0]].name));
        }
    }
    Ok(Exit::Success)
}

/// The instances of the matrix with this name; none where it names none.
fn instances(plan: &Plan, name: &str) -> Vec<StageId> {
    let is_instance =
        |stage: &StageId| family(plan.graph[*stage].name.as_str()).is_some_and(|(family, _)| family == name);
    plan.graph.node_indices().filter(is_instance).collect()
}

/// The stage with this name.
pub(super) fn find(plan: &Plan, name: &str) -> Result<StageId, Failure> {
    let found = plan.graph.node_indices().find(|stage| plan.graph[*stage].name.as_str() == name);
    found.ok_or_else(|| {
        let names = plan.graph.node_weights().map(|stage| stage.name.as_str());
        let message = format!("pipeline `{}` ({}) has no stage `{name}`", plan.pipeline, plan.file.display());
        Failure::usage(message, suggest::help(name, names))
    })
}

fn text(plan: &Plan, stage: &PlannedStage, forecast: &Forecast, color: Color) -> String {
    let name = color.name(stage.name.as_str());
    match forecast {
        Forecast::Hit { key, record, away } => {
            let warning = code_changed(stage, forecast).map(|text| format!("  {}\n", color.warning(&text)));
            let warning = warning.unwrap_or_default();
            let away = away.as_ref().map_or(String::new(), |away| {
                let bytes = units::bytes(away.bytes);
                format!("  {bytes} of its outputs are on {} only, and come when something reads them\n", away.remote)
            });
            format!("{name} is up to date: key {}, made by run {}\n{away}{warning}", key.short(), record.run)
        }
        Forecast::Undecided { until, .. } => {
            let until = &plan.graph[*until].name;
            format!(
                "whether {name} is wanted is unknown until {until}, which its `when:` reads\nnext: pipe why {until}\n"
            )
        }
        Forecast::Skipped { cause } => format!("{name} would be skipped: {cause}\n  declared at {}\n", stage.location),
        Forecast::Refused { message } => format!("{name} would fail: {message}\n  declared at {}\n", stage.location),
        Forecast::Unknown { waits_for, changes, .. } => {
            let producers = outlook::producers(plan, waits_for, Detail::Expanded);
            let names: Vec<_> = producers.iter().map(|name| format!("`{name}`")).collect();
            let mut text = format!("{name} waits for {}", names.join(" and "));
            if changes.is_empty() {
                text.push_str(": it runs again unless they give what they gave before\n");
            } else {
                text.push_str("; besides, since its last execution\n");
                changes.iter().for_each(|change| text.push_str(&describe(stage, change, color)));
            }
            let _ = writeln!(text, "next: pipe why {}", producers[0]);
            text
        }
        Forecast::Run { miss, changes, .. } if changes.is_empty() => {
            format!("{name} would run: {miss}\n  declared at {}\n", stage.location)
        }
        Forecast::Run { changes, .. } => {
            let mut text = format!("{name} would run, because since its last execution\n");
            changes.iter().for_each(|change| text.push_str(&describe(stage, change, color)));
            text
        }
    }
}

/// The lines for one difference: of a script with several lines, those that differ.
fn describe(stage: &PlannedStage, change: &Difference, color: Color) -> String {
    let place = place(stage, &change.field).map(|at| color.dim(&format!("  {at}"))).unwrap_or_default();
    let field = color.name(&cell(&change.field));
    let line = match (&change.before, &change.now) {
        (Some(before), Some(now)) => match lines::difference(before, now) {
            Some(lines) => {
                let lines: String = lines.iter().map(|line| format!("    {}\n", cell(line))).collect();
                return format!("  {field} changed:{place}\n{lines}");
            }
            None => format!("{field} changed: {} -> {}{place}", cell(before), cell(now)),
        },
        (Some(before), None) => format!("{field} was removed: {}{place}", cell(before)),
        (None, Some(now)) => format!("{field} is new: {}{place}", cell(now)),
        (None, None) => field,
    };
    format!("  {line}\n")
}

/// Where a field is written: the field itself, or the nearest thing around it (a default is written nowhere).
fn place<'a>(stage: &'a PlannedStage, field: &str) -> Option<&'a Location> {
    let mut path = field;
    loop {
        if let Some(location) = stage.places.get(path) {
            return Some(location);
        }
        // The label of one of several on a port may hold dots: `in.models[lr=0.1]`.
        path = &path[..path.find('[').or_else(|| path.rfind('.'))?];
    }
}

fn json(plan: &Plan, stage: &PlannedStage, forecast: &Forecast) -> serde_json::Value {
    match forecast {
        Forecast::Hit { key, record, away } => serde_json::json!({
            "stage": stage.name,
            "forecast": "hit",
            "key": key,
            "run": record.run,
            "elsewhere": away.as_ref().map(|away| serde_json::json!({"remote": away.remote, "bytes": away.bytes})),
            "code_changed": forecast.code_changed(&stage.work),
        }),
        Forecast::Undecided { until, .. } => serde_json::json!({
            "stage": stage.name,
            "forecast": "undecided",
            "unknown_until": plan.graph[*until].name,
        }),
        Forecast::Skipped { cause } => {
            serde_json::json!({"stage": stage.name, "forecast": "skipped", "cause": cause})
        }
        Forecast::Refused { message } => {
            serde_json::json!({"stage": stage.name, "forecast": "refused", "message": message})
        }
        Forecast::Unknown { waits_for, changes, .. } => serde_json::json!({
            "stage": stage.name,
            "forecast": "unknown",
            "changes": placed(stage, changes),
            "waits_for": waits_for.iter().map(|stage| &plan.graph[*stage].name).collect::<Vec<_>>(),
        }),
        Forecast::Run { key, miss, changes, .. } => {
            serde_json::json!({
                "stage": stage.name,
                "forecast": "run",
                "key": key,
                "reason": miss.to_string(),
                "changes": placed(stage, changes),
            })
        }
    }
}

fn placed(stage: &PlannedStage, changes: &[Difference]) -> Vec<serde_json::Value> {
    let change = |change: &Difference| {
        serde_json::json!({
            "field": change.field,
            "before": change.before,
            "now": change.now,
            "at": place(stage, &change.field),
        })
    };
    changes.iter().map(change).collect()
}
