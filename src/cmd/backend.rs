//! `pipe backend`: lists the stages that run beyond this machine, no matter who launched them, and ends them.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use contract::Event;
use serde_json::json;

use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::executor::remote::{self, Occupant, RemotePlace, Said, Standing};
use crate::remote::RemoteError;
use crate::report::{clean, units};
use crate::store::Store;

/// `pipe backend`.
#[derive(Debug, Args)]
pub(super) struct BackendArguments {
    #[command(subcommand)]
    verb: BackendVerb,
}

/// The verbs of `pipe backend`.
#[derive(Debug, Subcommand)]
enum BackendVerb {
    /// List the stages that run there, or have run.
    #[command(after_help = "\
Examples:
  pipe backend ps            on every backend of pipe.yaml beyond this machine
  pipe backend ps --json")]
    Ps(PlaceArguments),
    /// Show what the stages there say until they are over. Ctrl-C leaves them alone.
    #[command(after_help = "\
Examples:
  pipe backend follow         no matter who launched them
  pipe backend follow gpu --json")]
    Follow(PlaceArguments),
    /// Stop the stages that run there and remove their state. Records of results stay.
    #[command(after_help = "\
Examples:
  pipe backend reap
  pipe backend reap --json")]
    Reap(PlaceArguments),
}

/// Which places.
#[derive(Debug, Args)]
struct PlaceArguments {
    /// A backend of pipe.yaml; all that are not this machine unless given.
    name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl BackendArguments {
    pub(super) fn wants_json(&self) -> bool {
        match &self.verb {
            BackendVerb::Ps(arguments) | BackendVerb::Follow(arguments) | BackendVerb::Reap(arguments) => {
                arguments.json
            }
        }
    }
}

pub(super) fn run(project: &Project, arguments: &BackendArguments) -> Result<Exit, Failure> {
    match &arguments.verb {
        BackendVerb::Ps(arguments) => show(
            project,
            arguments,
            remote::occupants,
            "no stage of a backend beyond this machine runs, or has left a state",
        ),
        BackendVerb::Follow(arguments) => follow(project, arguments),
        BackendVerb::Reap(arguments) => show(project, arguments, remote::reap, "there was nothing to stop or remove"),
    }
}

/// Looks at a place, for the stages of those backends for which the predicate holds.
type Look = fn(&RemotePlace, &Store, &dyn Fn(&str) -> bool) -> Result<Vec<Occupant>, RemoteError>;

fn show(project: &Project, arguments: &PlaceArguments, look: Look, nothing: &str) -> Result<Exit, Failure> {
    let places = places(project, arguments)?;
    let (all, store) = (project.config.elsewhere(), project.store()?);
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for (name, place) in &places {
        let occupants =
            look(place, &store, &|other| belongs(&all, name, other)).map_err(|error| broken(name, error))?;
        for occupant in occupants {
            rows.push(row(name, &occupant));
            let Occupant { key, stage, attempt, standing, owner, renewed, .. } = occupant;
            documents.push(json!({
                "backend": name, "stage": stage, "key": key, "attempt": attempt, "standing": standing, "owner": owner,
                "renewed": renewed,
            }));
        }
    }
    if arguments.json {
        output::document(&documents);
    } else if rows.is_empty() {
        output::errors(&format!("{nothing}\n"));
    } else {
        rows.insert(0, HEADING.map(str::to_owned));
        output::text(&table(&rows));
    }
    Ok(Exit::Success)
}

const HEADING: [&str; 7] = ["backend", "stage", "key", "attempt", "state", "last sign of life", "host and process"];

fn row(name: &str, Occupant { key, stage, attempt, standing, owner, renewed, .. }: &Occupant) -> [String; 7] {
    [
        name.to_owned(),
        contract::clean::line(stage.as_deref().unwrap_or("?")).into_owned(),
        key.short(),
        attempt.to_string(),
        word(*standing).to_owned(),
        renewed.map_or_else(|| "none".to_owned(), units::date),
        contract::clean::line(owner.as_deref().unwrap_or("not begun")).into_owned(),
    ]
}

/// Columns as wide as their widest cells.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The places that are meant, by name.
fn places(project: &Project, arguments: &PlaceArguments) -> Result<BTreeMap<String, RemotePlace>, Failure> {
    let mut places = project.config.elsewhere();
    if let Some(name) = &arguments.name {
        let meant = project.config.backend_behind(name);
        places.retain(|place, _| place == meant);
        if places.is_empty() {
            let message = format!("there is no backend `{name}` beyond this machine");
            return Err(Failure::usage(message, "`pipe config` shows the backends".to_owned()));
        }
    }
    Ok(places)
}

/// Whether what runs at `other` belongs to `name`: backends may share their objects, and somebody else may call them by other names.
fn belongs(all: &BTreeMap<String, RemotePlace>, name: &str, other: &str) -> bool {
    other == name || !all.contains_key(other)
}

fn broken(name: &str, error: RemoteError) -> Failure {
    Failure::Remote { message: format!("backend `{name}`: {error}"), help: error.help }
}

/// Follows all places at once. Nothing of them is touched.
fn follow(project: &Project, arguments: &PlaceArguments) -> Result<Exit, Failure> {
    let places = places(project, arguments)?;
    let (all, store) = (&project.config.elsewhere(), &project.store()?);
    let json = arguments.json;
    std::thread::scope(|scope| {
        let followed: Vec<_> = places
            .iter()
            .map(|(name, place)| {
                scope.spawn(move || {
                    let belongs = |other: &str| belongs(all, name, other);
                    remote::follow(place, store, &belongs, |occupant, said| tell(name, occupant, &said, json))
                        .map_err(|error| broken(name, error))
                })
            })
            .collect();
        for thread in followed {
            // It panics for no reason of its own.
            thread.join().unwrap_or(Ok(()))?;
        }
        Ok(Exit::Success)
    })
}

/// A line for each thing that is said.
fn tell(name: &str, Occupant { key, attempt, .. }: &Occupant, said: &Said<'_>, json: bool) {
    if json {
        let said = match said {
            Said::Event(event) => json!({"event": event}),
            Said::Log(text) => json!({"log": text}),
            Said::Over(standing) => json!({"over": standing}),
        };
        let line = json!({"backend": name, "key": key, "attempt": attempt, "said": said});
        return output::text(&format!("{}\n", clean::json(&line.to_string())));
    }
    let lines = match said {
        Said::Event(Event::Progress { done, total: Some(total), unit }) => format!("{done}/{total} {unit}"),
        Said::Event(Event::Progress { done, total: None, unit }) => format!("{done} {unit}"),
        Said::Event(Event::Metric { name, value, .. }) => format!("{name} {value}"),
        Said::Event(Event::Log { message, .. }) => message.clone(),
        Said::Event(Event::Checkpoint { step, .. }) => format!("checkpoint at step {step}"),
        // How it ended is told below.
        Said::Event(Event::Started { .. } | Event::Finished {} | Event::Failed { .. }) => return,
        Said::Log(text) => (*text).to_owned(),
        Said::Over(Standing::Running) => "shows no life any more".to_owned(),
        Said::Over(standing) => word(*standing).to_owned(),
    };
    let text: String = lines.lines().map(|line| format!("{name}  {}  {line}\n", key.short())).collect();
    output::text(&text);
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Running => "running",
        Standing::Finished => "finished",
        Standing::Failed => "failed",
        Standing::Interrupted => "interrupted",
        Standing::Broken => "broken",
        Standing::Lost => "lost",
        Standing::Unreadable => "unreadable",
    }
}
