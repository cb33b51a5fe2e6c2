//! `pipe plan`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::arguments::PlanArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::forecast::{self, Forecast, Supposed};
use crate::plan::{Plan, PlannedStage, Work};
use crate::report::style::Color;
use crate::report::units;

pub fn run(arguments: &PlanArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let plan = project.plan(&arguments.pipeline)?;
    if arguments.needs {
        project.recognize_store()?;
        output::text(&needs(&plan));
        return Ok(Exit::Success);
    }
    let store = project.store()?;
    let outlook = forecast::outlook(&plan, &store)?;
    let forecasts = &outlook.stages;
    store.save_memo()?;
    if arguments.json {
        let stages = plan.graph.node_weights().zip(forecasts);
        let stages: serde_json::Map<_, _> =
            stages.map(|(stage, forecast)| (stage.name.to_string(), json(&plan, stage, forecast))).collect();
        output::document(
            &serde_json::json!({"pipeline": plan.pipeline, "file": plan.file, "expected_seconds": outlook.expected, "at_most_seconds": outlook.at_most, "stages": stages}),
        );
    } else {
        output::text(&text(&plan, forecasts, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

/// The worker programs that the pipeline's kinds name, one a line.
fn needs(plan: &Plan) -> String {
    let programs: BTreeSet<_> = plan
        .graph
        .node_weights()
        .filter_map(|stage| match &stage.work {
            Work::Card { card, .. } => match &card.worker {
                contract::Worker::Program(program) => Some(program.as_str()),
                contract::Worker::Command(_) => None,
            },
            Work::Command(_) => None,
        })
        .collect();
    programs.into_iter().map(|program| format!("{program}\n")).collect()
}

fn text(plan: &Plan, forecasts: &[Forecast], color: Color) -> String {
    let mut text = String::new();
    for &stage in &plan.order {
        let name = color.name(plan.graph[stage].name.as_str());
        let line = match &forecasts[stage.index()] {
            hit @ Forecast::Hit { .. } => {
                let warning = code_changed(&plan.graph[stage], hit).map(|text| format!("  {}", color.warning(&text)));
                format!("{}  {name}{}", color.dim("    hit"), warning.unwrap_or_default())
            }
            Forecast::Run { miss, changes, last, .. } => {
                let why = match changes.as_slice() {
                    [] => miss.to_string(),
                    [first] => format!("{} changed", first.field),
                    [first, rest @ ..] => format!("{} and {} more changed", first.field, rest.len()),
                };
                let took = last.as_ref().map(|record| format!(", took {}", units::seconds(record.usage.seconds)));
                format!("    run  {name}  {}", color.dim(&format!("{why}{}", took.unwrap_or_default())))
            }
            Forecast::Unknown { waits_for, supposed, .. } => {
                let names: Vec<_> = waits_for.iter().map(|stage| plan.graph[*stage].name.as_str()).collect();
                let why = match supposed {
                    Supposed::Hit => format!("unless {} gives what it gave before", names.join(" and ")),
                    Supposed::Run | Supposed::NeverRan => format!("after {}", names.join(" and ")),
                };
                format!("    run  {name}  {}", color.dim(&why))
            }
            Forecast::Undecided { until, .. } => {
                let why = format!("unknown until {}", plan.graph[*until].name);
                format!("     if  {name}  {}", color.dim(&why))
            }
            Forecast::Skipped { cause } => format!("{}  {name}  {}", color.dim("   skip"), color.dim(cause)),
            Forecast::Refused { message } => format!("   fail  {name}  {}", color.dim(message)),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

/// What to say of a hit that other code than this build's gave.
pub(super) fn code_changed(stage: &PlannedStage, forecast: &Forecast) -> Option<String> {
    let name = &stage.name;
    forecast.code_changed(&stage.work).then(|| {
        format!("warning: its code changed since, and its card's version did not: --refresh {name} runs it again")
    })
}

fn json(plan: &Plan, stage: &PlannedStage, forecast: &Forecast) -> serde_json::Value {
    match forecast {
        Forecast::Undecided { until, last } => serde_json::json!({
            "forecast": "undecided",
            "unknown_until": plan.graph[*until].name,
            "expected_seconds": last.as_ref().map(|record| record.usage.seconds),
        }),
        Forecast::Skipped { cause } => serde_json::json!({"forecast": "skipped", "cause": cause}),
        Forecast::Refused { message } => serde_json::json!({"forecast": "refused", "message": message}),
        Forecast::Hit { key, .. } => serde_json::json!({
            "forecast": "hit",
            "key": key,
            "code_changed": forecast.code_changed(&stage.work),
        }),
        Forecast::Run { key, miss, changes, last } => serde_json::json!({
            "forecast": "run",
            "key": key,
            "reason": miss.to_string(),
            "changes": changes,
            "expected_seconds": last.as_ref().map(|record| record.usage.seconds),
        }),
        Forecast::Unknown { waits_for, supposed, last } => serde_json::json!({
            "forecast": "unknown",
            "if_unchanged": match supposed {
                Supposed::Hit => "hit",
                Supposed::Run | Supposed::NeverRan => "run",
            },
            "waits_for": waits_for.iter().map(|stage| &plan.graph[*stage].name).collect::<Vec<_>>(),
            "expected_seconds": last.as_ref().map(|record| record.usage.seconds),
        }),
    }
}
