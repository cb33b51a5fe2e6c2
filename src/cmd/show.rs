//! `pipe show`: everything that is known of what a stage gave.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::complete::names;
use super::failure::Failure;
use super::made::{self, Made, WhereArguments};
use super::project::Project;
use super::{Exit, output};
use crate::action::ActionWork;
use crate::report::clean::cell;
use crate::report::style::Color;
use crate::report::units;
use crate::store::{Shape, Store};

/// `pipe show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe show model                   as the last run left it
  pipe show model --run last~1
  pipe show model --json | jq -r .outputs.model.digest")]
pub struct ShowArguments {
    /// The stage.
    #[arg(value_name = "STAGE", add = names::past_stage())]
    pub stage: String,
    #[command(flatten)]
    pub place: WhereArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: &ShowArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let store = project.store()?;
    let place = arguments.place.place();
    let made = made::find(&project, &store, &arguments.stage, &place)?;
    if arguments.json {
        output::document(&document(&project, &made));
    } else {
        output::text(&text(&project, &store, &made, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

fn text(project: &Project, store: &Store, made: &Made, color: Color) -> String {
    let Made { report, name, stage, record } = made;
    let mut text = format!(
        "{}  {} in run {} of {}\n",
        color.name(&cell(name)),
        color.outcome(stage.outcome).trim_start(),
        report.run,
        report.pipeline
    );
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {}{value}", color.dim(&format!("{label:<10}")));
    };
    if let Some(key) = &stage.key {
        line("key", &key.to_string());
    }
    if let Some(record) = record {
        let kind = match &record.action.work {
            ActionWork::Card { kind, version, .. } => format!("{kind} (version {version})"),
            ActionWork::Command { .. } => "command".to_owned(),
        };
        line("kind", &kind);
        let by = format!(
            "run {}, {} UTC, on {} ({})",
            record.run,
            units::date(record.finished_at),
            record.host,
            record.backend
        );
        line("made by", &by);
    }
    if let Some(usage) = &stage.usage {
        let took = format!(
            "{}, CPU {}, peak memory {}",
            units::seconds(usage.seconds),
            units::seconds(usage.cpu_seconds),
            units::bytes(usage.peak_memory)
        );
        line("took", &took);
    }
    if let Some(failure) = &stage.failure {
        line("failed", &failure.message);
        if let Some(help) = &failure.help {
            line("help", help);
        }
    }
    for (port, input) in record.iter().flat_map(|record| &record.action.inputs) {
        for input in input {
            let label = input.label.as_ref().map_or_else(String::new, |label| format!("[{label}]"));
            line(
                "in",
                &format!(
                    "{:<14} {:<12} {}",
                    cell(&format!("{port}{label}")),
                    input.artifact.name(),
                    input.digest.short()
                ),
            );
        }
    }
    for (port, it) in &stage.outputs {
        let files = record.as_ref().and_then(|record| match record.outputs.get(port.as_str())?.shape {
            Shape::Dir { files: 1 } => Some(" in 1 file".to_owned()),
            Shape::Dir { files } => Some(format!(" in {files} files")),
            Shape::File { .. } => None,
        });
        let there = if project.root.join(&it.path).exists() { "" } else { " (not there; a run puts it back)" };
        let size = format!("{}{}", units::bytes(it.size), files.unwrap_or_default());
        line("out", &format!("{port:<14} {:<12} {}  {size}", it.artifact.name(), it.digest.short()));
        line("", &format!("{}{there}", cell(&it.path.display().to_string())));
    }
    for (metric, value) in &stage.metrics {
        line("metric", &format!("{:<14} {value}", cell(metric)));
    }
    if log(store, made).is_some() {
        line("log", &format!("pipe logs {name} --run {}", report.run));
    }
    text
}

/// The log of the execution behind this: in this run, or in the one that made the record.
fn log(store: &Store, made: &Made) -> Option<PathBuf> {
    let of_record = || {
        let record = made.record.as_ref()?;
        Some(crate::engine::history::log_path(store, &record.run, &record.stage))
    };
    made.stage.log.clone().or_else(of_record).filter(|log| log.is_file())
}

fn document(project: &Project, made: &Made) -> Value {
    let Made { report, name, stage, record } = made;
    let outputs = stage.outputs.iter().map(|(port, it)| {
        let shape = record.as_ref().and_then(|record| record.outputs.get(port.as_str())).map(|artifact| artifact.shape);
        let value = json!({
            "path": it.path,
            "there": project.root.join(&it.path).exists(),
            "digest": it.digest,
            "type": it.artifact,
            "size": it.size,
            "shape": shape,
        });
        (port.to_string(), value)
    });
    json!({
        "stage": name,
        "run": report.run,
        "pipeline": report.pipeline,
        "outcome": stage.outcome,
        "key": stage.key,
        "usage": stage.usage,
        "outputs": outputs.collect::<serde_json::Map<_, _>>(),
        "metrics": stage.metrics,
        "failure": stage.failure,
        "action": record.as_ref().map(|record| &record.action),
        "made": record.as_ref().map(|record| json!({
            "run": record.run,
            "stage": record.stage,
            "host": record.host,
            "backend": record.backend,
            "finished_at": record.finished_at,
        })),
    })
}
