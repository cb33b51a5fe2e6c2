//! `pipe why`.

use std::fmt::Write;

use super::arguments::StageArguments;
use super::failure::Failure;
use super::plan::code_changed;
use super::project::Project;
use super::{Exit, output};
use crate::action::difference::Difference;
use crate::engine::forecast::{self, Forecast};
use crate::plan::{Plan, PlannedStage, StageId};
use crate::report::style::Color;
use crate::spec::Location;
use crate::spec::suggest;

pub fn run(arguments: &StageArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let store = project.store()?;
    let file = arguments.file.clone().map_or_else(|| project.last_file(&store), Ok)?;
    let plan = project.plan_file(&file, &arguments.params)?;
    let stage = find(&plan, &arguments.stage)?;
    let forecasts = forecast::forecast(&plan, &store)?;
    store.save_memo()?;
    let (planned, forecast) = (&plan.graph[stage], &forecasts[stage.index()]);
    if arguments.json {
        output::document(&json(&plan, planned, forecast));
    } else {
        output::text(&text(&plan, planned, forecast, Color::of_stdout()));
    }
    Ok(Exit::Success)
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
        Forecast::Hit { key, record } => {
            let warning = code_changed(stage, forecast).map(|text| format!("  {}\n", color.warning(&text)));
            let warning = warning.unwrap_or_default();
            format!("{name} is up to date: key {}, made by run {}\n{warning}", key.short(), record.run)
        }
        Forecast::Undecided { until, .. } => {
            let until = &plan.graph[*until].name;
            format!(
                "whether {name} is wanted is unknown until {until}, which its `when:` reads\nnext: pipe why {until}\n"
            )
        }
        Forecast::Skipped { cause } => format!("{name} would be skipped: {cause}\n  declared at {}\n", stage.location),
        Forecast::Refused { message } => format!("{name} would fail: {message}\n  declared at {}\n", stage.location),
        Forecast::Unknown { waits_for, .. } => {
            let names: Vec<_> = waits_for.iter().map(|stage| format!("`{}`", plan.graph[*stage].name)).collect();
            format!(
                "{name} waits for {}: it runs again unless they give what they gave before\nnext: pipe why {}\n",
                names.join(" and "),
                plan.graph[waits_for[0]].name
            )
        }
        Forecast::Run { miss, changes, .. } if changes.is_empty() => {
            format!("{name} would run: {miss}\n  declared at {}\n", stage.location)
        }
        Forecast::Run { changes, .. } => {
            let mut text = format!("{name} would run, because since its last execution\n");
            for change in changes {
                let _ = writeln!(text, "  {}", describe(stage, change, color));
            }
            text
        }
    }
}

fn describe(stage: &PlannedStage, change: &Difference, color: Color) -> String {
    let place = place(stage, &change.field).map(|at| color.dim(&format!("  {at}"))).unwrap_or_default();
    let field = color.name(&change.field);
    match (&change.before, &change.now) {
        (Some(before), Some(now)) => format!("{field} changed: {before} -> {now}{place}"),
        (Some(before), None) => format!("{field} was removed: {before}{place}"),
        (None, Some(now)) => format!("{field} is new: {now}{place}"),
        (None, None) => field,
    }
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
        Forecast::Hit { key, record } => serde_json::json!({
            "stage": stage.name,
            "forecast": "hit",
            "key": key,
            "run": record.run,
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
        Forecast::Unknown { waits_for, .. } => serde_json::json!({
            "stage": stage.name,
            "forecast": "unknown",
            "waits_for": waits_for.iter().map(|stage| &plan.graph[*stage].name).collect::<Vec<_>>(),
        }),
        Forecast::Run { key, miss, changes, .. } => {
            let changes = changes.iter().map(|change| {
                serde_json::json!({
                    "field": change.field,
                    "before": change.before,
                    "now": change.now,
                    "at": place(stage, &change.field),
                })
            });
            serde_json::json!({
                "stage": stage.name,
                "forecast": "run",
                "key": key,
                "reason": miss.to_string(),
                "changes": changes.collect::<Vec<_>>(),
            })
        }
    }
}
