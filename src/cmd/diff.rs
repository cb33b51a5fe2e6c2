//! `pipe diff`.

use clap::Args;

use super::complete::names;
use super::failure::Failure;
use super::made;
use super::project::Project;
use super::{Exit, output};
use crate::engine::history::History;
use crate::report::compare;
use crate::report::style::Color;

/// `pipe diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe diff last~1 last           what the last run changed
  pipe diff 20261123-1405 last    an id may be cut short while it fits one run only
  pipe diff last~1 last --json | jq '.stages[].metrics'

Compared are params, and of every stage its params, inputs and script, its metrics, outputs and time.
Stages that were only restored or served from the store are alike.")]
pub struct DiffArguments {
    /// The run to compare with.
    #[arg(value_name = "RUN", add = names::runs(), default_value = "last~1")]
    pub before: String,
    /// The run in question.
    #[arg(value_name = "RUN", add = names::runs(), default_value = "last")]
    pub now: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: &DiffArguments) -> Result<Exit, Failure> {
    let store = Project::find()?.store()?;
    let history = History::open(&store);
    let (before, now) = (made::report(&history, &arguments.before)?, made::report(&history, &arguments.now)?);
    let comparison = compare::compare(&before, &now, |key| store.past_record(key));
    if arguments.json {
        output::document(&comparison);
    } else {
        output::text(&compare::render(&comparison, Color::of_stdout()));
    }
    Ok(Exit::Success)
}
