//! `pipe show`: everything that is known of a stage's results.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::Digest;
use serde_json::{Value, json};

use super::complete::names;
use super::failure::Failure;
use super::made::{self, Found, Made, WhereArguments};
use super::project::Project;
use super::{Exit, output};
use crate::action::ActionWork;
use crate::engine::history::History;
use crate::engine::spending::Spending;
use crate::engine::{EarlierOutput, EarlierState, RemoteAttempt, RunReport};
use crate::report::clean::cell;
use crate::report::cost;
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
pub(super) struct ShowArguments {
    /// The stage; of a matrix, one instance, or its name for a list of all.
    #[arg(value_name = "STAGE", add = names::past_stage())]
    pub stage: String,
    #[command(flatten)]
    pub place: WhereArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &ShowArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let place = arguments.place.place();
    match made::find(project, &store, &arguments.stage, &place)? {
        Found::Stage(made) if arguments.json => output::document(&document(project, &store, &made)),
        Found::Stage(made) => output::text(&text(project, &store, &made, Color::of_stdout())),
        Found::Matrix { name, instances } if arguments.json => {
            let instances: Vec<_> = instances.iter().map(|made| document(project, &store, made)).collect();
            output::document(&json!({"stage": name, "instances": instances}));
        }
        Found::Matrix { name, instances } => output::text(&list(&name, &instances, Color::of_stdout())),
    }
    Ok(Exit::Success)
}

/// The instances of a matrix, a line each.
fn list(name: &str, instances: &[Made], color: Color) -> String {
    let mut text = format!("{}  {}", color.name(&cell(name)), units::count(instances.len(), "instance"));
    // Told once where all are of one run, as most are: then a line fits 80 columns.
    let first = instances.first().map(|made| made.report.run.as_str());
    let of_one_run = instances.iter().all(|made| Some(made.report.run.as_str()) == first);
    if let (true, Some(run)) = (of_one_run, first) {
        let _ = write!(text, "  run {run}");
    }
    text.push('\n');
    for made in instances {
        let Made { report, name, stage, .. } = made;
        let mut parts = Vec::new();
        parts.extend((!of_one_run).then(|| format!("run {}", report.run)));
        parts.extend(stage.key.map(|key| format!("key {}", key.short())));
        parts.extend(stage.usage.map(|usage| format!("took {}", units::seconds(usage.seconds))));
        if !stage.outputs.is_empty() {
            parts.push(units::bytes(stage.outputs.values().map(|output| output.size).sum()));
        }
        parts.extend(stage.failure.as_ref().map(|failure| cell(&failure.message).into_owned()));
        let _ = writeln!(text, "{}  {}  {}", color.outcome(stage.outcome), cell(name), color.dim(&parts.join(", ")));
    }
    text
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
    let attempts = attempts(store, made);
    for attempt in &attempts {
        line("attempt", &cost::attempt(attempt));
    }
    if let Some(spent) = cost::spent(&attempts.iter().collect()) {
        line("cost", &spent);
        line("", cost::ESTIMATE);
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
            Shape::Dir { files } => Some(format!(" in {}", units::count(files, "file"))),
            Shape::File { .. } => None,
        });
        let there = match place(project, store, report, &it.path, &it.digest) {
            Place::Current => "",
            Place::Empty => " (not there; a run puts it back)",
            Place::Earlier => " (of an earlier action; `pipe run --prune` removes it)",
        };
        let size = format!("{}{}", units::bytes(it.size), files.unwrap_or_default());
        line("out", &format!("{port:<14} {:<12} {}  {size}", it.artifact.name(), it.digest.short()));
        line("", &format!("{}{there}", cell(&it.path.display().to_string())));
    }
    for it in report.earlier.iter().filter(|it| it.stage.as_str() == name && it.state != EarlierState::Removed) {
        line(
            "earlier",
            &format!("{}  {} of an earlier action", cell(&it.path.display().to_string()), it.digest.short()),
        );
    }
    for (metric, value) in &stage.metrics {
        line("metric", &format!("{:<14} {value}", cell(metric)));
    }
    if log(store, made).is_some() {
        line("log", &format!("pipe logs {name} --run {}", report.run));
    }
    text
}

/// The state of the place where an output was published.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Current,
    Empty,
    /// The newest run of the pipeline says that it is not its own.
    Earlier,
}

fn place(project: &Project, store: &Store, report: &RunReport, path: &Path, digest: &Digest) -> Place {
    if !project.root.join(path).exists() {
        return Place::Empty;
    }
    let newest = History::open(store).reports().find(|newest| newest.pipeline == report.pipeline);
    let earlier = newest.is_some_and(|newest| {
        let still = |it: &&EarlierOutput| it.state != EarlierState::Removed && it.digest == *digest;
        newest.earlier.iter().filter(still).any(|it| it.path == path)
    });
    if earlier { Place::Earlier } else { Place::Current }
}

/// The attempts beyond this machine behind this: of this run, or of the one that made the record.
fn attempts(store: &Store, made: &Made) -> Vec<RemoteAttempt> {
    if !made.stage.attempts.is_empty() {
        return made.stage.attempts.clone();
    }
    let Some(record) = made.record.as_ref().filter(|record| record.run != made.report.run) else { return Vec::new() };
    let report = History::open(store).report(&record.run);
    let stage = report.and_then(|mut report| report.stages.shift_remove(record.stage.as_str()));
    stage.map_or(Vec::new(), |stage| stage.attempts)
}

/// The log of the execution behind this: in this run, or in the one that made the record.
fn log(store: &Store, made: &Made) -> Option<PathBuf> {
    let of_record = || {
        let record = made.record.as_ref()?;
        Some(crate::engine::history::log_path(store, &record.run, &record.stage))
    };
    made.stage.log.clone().or_else(of_record).filter(|log| log.is_file())
}

fn document(project: &Project, store: &Store, made: &Made) -> Value {
    let Made { report, name, stage, record } = made;
    let outputs = stage.outputs.iter().map(|(port, it)| {
        let shape = record.as_ref().and_then(|record| record.outputs.get(port.as_str())).map(|artifact| artifact.shape);
        let value = json!({
            "path": it.path,
            "there": project.root.join(&it.path).exists(),
            "earlier": place(project, store, report, &it.path, &it.digest) == Place::Earlier,
            "digest": it.digest,
            "type": it.artifact,
            "size": it.size,
            "shape": shape,
        });
        (port.to_string(), value)
    });
    let attempts = attempts(store, made);
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
        "cost": (!attempts.is_empty()).then(|| attempts.iter().collect::<Spending>()),
        "attempts": attempts,
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
