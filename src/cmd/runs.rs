//! `pipe runs`.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::history::{Entry, Headline, History, OpenRun};
use crate::engine::{RunReport, StageOutcome};
use crate::report::clean::cell;
use crate::report::cost::{self, RunCost, RunCosts};
use crate::report::style::Color;
use crate::report::units;

/// `pipe runs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe runs                     the last 20, newest first
  pipe runs --limit 1000 --json
  pipe runs --pipeline full     only runs of this pipeline
  pipe runs --cost              what ran beyond this machine, and what it cost
  pipe runs --cost --json | jq .together.dollars

A RUN of other commands is an id from this list, the beginning of one, `last`, or `last~1` for the one before.")]
pub(super) struct RunsArguments {
    /// How many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Only runs of the pipeline with this name.
    #[arg(long, value_name = "NAME", add = names::past_pipelines())]
    pub pipeline: Option<String>,
    /// Show what each run cost beyond this machine, attempt by attempt: an estimate.
    #[arg(long)]
    pub cost: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &RunsArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let history = History::open(&store);
    let wanted = |entry: &Entry| arguments.pipeline.as_deref().is_none_or(|name| entry.pipeline() == Some(name));
    let entries: Vec<_> = history.entries().filter(wanted).take(arguments.limit).collect();
    if arguments.cost && (arguments.json || !entries.is_empty()) {
        costs(&history, &entries, arguments.json);
    } else if arguments.json {
        output::document(&entries.iter().map(document).collect::<Vec<_>>());
    } else if entries.is_empty() {
        output::errors("no runs here yet; the first: pipe run FILE\n");
    } else {
        let stages = |entry: &Entry| match entry {
            Entry::Ended(headline) => stages(headline),
            Entry::Open { .. } => String::new(),
        };
        output::text(&table(&entries, "STAGES", stages, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

/// What these runs cost.
fn costs(history: &History, entries: &[Entry], json: bool) {
    let reports: Vec<RunReport> = entries.iter().filter_map(|entry| history.report(entry.run())).collect();
    let report = |entry: &Entry| reports.iter().find(|report| report.run == entry.run());
    let of = |entry: &Entry| {
        let (outcome, started_at) = match entry {
            Entry::Ended(it) => (word(it.outcome), Some(it.started_at)),
            Entry::Open { state, .. } => (open(*state).to_owned(), None),
        };
        RunCost {
            run: entry.run().to_owned(),
            pipeline: entry.pipeline().map(str::to_owned),
            outcome,
            started_at,
            cost: report(entry).map(|report| cost::attempts(report).collect()),
            stages: report(entry).map(cost::by_stage).unwrap_or_default(),
        }
    };
    let costs = RunCosts::new(entries.iter().map(of).collect(), &reports);
    if json {
        return output::document(&costs);
    }
    let last = |entry: &Entry| {
        let Some(report) = report(entry) else {
            return match entry {
                Entry::Ended(_) => "not known: another version wrote its report".to_owned(),
                Entry::Open { state: OpenRun::Running, .. } => "not known before it ends".to_owned(),
                Entry::Open { state: OpenRun::Ended, .. } => "not known: it left no report".to_owned(),
            };
        };
        let mut text = cost::spent(&cost::attempts(report).collect()).unwrap_or_else(|| "-".to_owned());
        for (stage, attempts) in cost::by_stage(report) {
            for attempt in attempts {
                let _ = write!(text, "\n  {}  {}", cell(&stage), cost::attempt(&attempt));
            }
        }
        text
    };
    output::text(&table(entries, "COST", last, Color::of_stdout()));
    match cost::spent(&costs.together) {
        Some(together) => output::text(&format!("in all {together}\n{}\n", cost::ESTIMATE)),
        None if entries.iter().any(|entry| report(entry).is_none()) => {
            output::text("no finished run has a cost; that of a run without a report is not known\n");
        }
        None => output::text("nothing ran beyond this machine; stages here cost nothing\n"),
    }
}

/// The runs, a line each; `told` is the last column, under this title.
fn table(entries: &[Entry], title: &str, told: impl Fn(&Entry) -> String, color: Color) -> String {
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
        "{:<run$} {:<when$} {:<pipeline$} {:<outcome$} {:>time$}  {title}\n",
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
                told(entry)
            ),
            Entry::Open { state, .. } => {
                let (state, told) = (color.warning(open(*state)), told(entry));
                writeln!(text, "{}", format!("{id:<run$} {:<when$} {name:<pipeline$} {state}  {told}", "").trim_end())
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
                let count = counts.entry(word(stage.outcome)).or_insert(json!(0));
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

/// An outcome as documents have it.
fn word(outcome: impl Serialize) -> String {
    serde_json::to_value(outcome).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}
