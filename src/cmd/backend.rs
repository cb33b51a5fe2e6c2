//! `pipe backend`: lists the stages that run beyond this machine, no matter who launched them, and ends them.

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::executor::remote::{self, Loopback, Occupant, Standing};
use crate::remote::RemoteError;
use crate::report::units;

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
            BackendVerb::Ps(arguments) | BackendVerb::Reap(arguments) => arguments.json,
        }
    }
}

pub(super) fn run(project: &Project, arguments: &BackendArguments) -> Result<Exit, Failure> {
    match &arguments.verb {
        BackendVerb::Ps(arguments) => show(project, arguments, remote::occupants),
        BackendVerb::Reap(arguments) => show(project, arguments, remote::reap),
    }
}

fn show(
    project: &Project,
    arguments: &PlaceArguments,
    look: fn(&Loopback) -> Result<Vec<Occupant>, RemoteError>,
) -> Result<Exit, Failure> {
    let mut places = project.config.elsewhere();
    if let Some(name) = &arguments.name {
        places.retain(|place, _| place == name);
        if places.is_empty() {
            let message = format!("there is no backend `{name}` beyond this machine");
            return Err(Failure::usage(message, "`pipe config` shows the backends".to_owned()));
        }
    }
    let mut documents = Vec::new();
    for (name, loopback) in &places {
        let occupants = look(loopback)
            .map_err(|error| Failure::Remote { message: format!("backend `{name}`: {error}"), help: error.help })?;
        for Occupant { key, attempt, standing, owner, renewed } in occupants {
            if !arguments.json {
                let since = renewed.map(units::timestamp).unwrap_or_default();
                let owner = owner.as_deref().unwrap_or("not begun");
                output::text(&format!(
                    "{name}  {}  attempt {attempt}  {}  {owner}  {since}\n",
                    key.short(),
                    word(standing)
                ));
            }
            documents.push(json!({
                "backend": name, "key": key, "attempt": attempt, "standing": standing, "owner": owner, "renewed": renewed,
            }));
        }
    }
    if arguments.json {
        output::document(&documents);
    }
    Ok(Exit::Success)
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Running => "running",
        Standing::Finished => "finished",
        Standing::Failed => "failed",
        Standing::Interrupted => "interrupted",
        Standing::Broken => "broken",
    }
}
