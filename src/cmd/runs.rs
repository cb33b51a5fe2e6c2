//! `pipe runs`.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::StageOutcome;
use crate::engine::history::{Entry, Headline, History, OpenRun};
use crate::report::clean::cell;
use crate::report::style::Color;
use crate::report::units;

/// `pipe runs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe runs                     the last 20, newest first
  pipe runs --limit 1000 --json
  pipe runs --pipeline full     only runs of this pipeline

A RUN of other commands is an id from this list, the beginning of one, `last`, or `last~1` for the one before.")]
pub(super) struct RunsArguments {
    /// How many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Only runs of the pipeline with this name.
    #[arg(long, value_name = "NAME", add = names::past_pipelines())]
    pub pipeline: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &RunsArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let history = History::open(&store);
    let wanted = |entry: &Entry| arguments.pipeline.as_deref().is_none_or(|name| entry.pipeline() == Some(name));
    let entries: Vec<_> = history.entries().filter(wanted).take(arguments.limit).collect();
    if arguments.json {
        output::document(&entries.iter().map(document).collect::<Vec<_>>());
    } else if entries.is_empty() {
        output::errors("no runs here yet; the first: pipe run FILE\n");
    } else {
        output::text(&table(&entries, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

fn table(entries: &[Entry], color: Color) -> String {
    let [mut run, mut pipeline, mut time] = ["RUN", "PIPELINE", "TIME"].map(str::len);
    let named = |entry: &Entry| cell(entry.pipeline().unwrap_or_default()).into_owned();
    for entry in entries {
        run = run.max(entry.run().len());
        pipeline = pipeline.max(named(entry).chars().count());
        if let Entry::Ended(it) = entry {
            time = time.max(units::seconds(it.seconds).len());
        }
    }
    let [when, outcome] = ["WHEN (UTC) ", "interrupted"].map(str::len);
    let mut text = format!(
        "{:<run$} {:<when$} {:<pipeline$} {:<outcome$} {:>time$}  STAGES\n",
        "RUN", "WHEN (UTC)", "PIPELINE", "OUTCOME", "TIME"
    );
    for entry in entries {
        let (id, name) = (entry.run(), named(entry));
        let _ = match entry {
            Entry::Ended(it) => writeln!(
                text,
                "{id:<run$} {:<when$} {name:<pipeline$} {} {:>time$}  {}",
                // The year and the seconds are in the id.
                &units::date(it.started_at)["2026-".len().."2026-01-02 03:04".len()],
                color.run_outcome(it.outcome, outcome),
                units::seconds(it.seconds),
                stages(it)
            ),
            Entry::Open { state, .. } => {
                writeln!(text, "{id:<run$} {:<when$} {name:<pipeline$} {}", "", color.warning(open(*state)))
            }
        };
    }
    text
}

fn open(state: OpenRun) -> &'static str {
    match state {
        OpenRun::Running => "running",
        OpenRun::Ended => "killed",
    }
}

fn count(headline: &Headline, outcomes: &[StageOutcome]) -> usize {
    headline.stages.values().filter(|stage| outcomes.contains(&stage.outcome)).count()
}

fn stages(headline: &Headline) -> String {
    let groups: [(&str, &[StageOutcome]); 6] = [
        ("ran", &[StageOutcome::Ran]),
        ("hit", &[StageOutcome::Hit, StageOutcome::Restored]),
        ("failed", &[StageOutcome::Failed]),
        ("blocked", &[StageOutcome::Blocked]),
        ("skipped", &[StageOutcome::Skipped]),
        ("not finished", &[StageOutcome::Interrupted]),
    ];
    let counted = groups.iter().map(|(word, outcomes)| (word, count(headline, outcomes)));
    counted
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn document(entry: &Entry) -> Value {
    match entry {
        Entry::Open { run, pipeline, state } => {
            json!({"run": run, "pipeline": pipeline, "outcome": open(*state)})
        }
        Entry::Ended(it) => {
            let mut counts = serde_json::Map::new();
            for stage in it.stages.values() {
                let word = serde_json::to_value(stage.outcome).expect("an outcome is a word");
                let count = counts.entry(word.as_str().unwrap_or_default()).or_insert(json!(0));
                *count = json!(count.as_u64().unwrap_or(0) + 1);
            }
            json!({
                "run": it.run,
                "pipeline": it.pipeline,
                "file": it.file,
                "outcome": it.outcome,
                "started_at": it.started_at,
                "seconds": it.seconds,
                "stages": counts,
            })
        }
    }
}
