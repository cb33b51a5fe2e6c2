//! `pipe cache`: what the store takes, whether it is sound, what is kept of it, what a remote has of it. One file a verb; [`remote`]: the
//! remote as the verbs use it; [`needs`]: what must stay, [`damage`]: what is damaged,
//! in words.

mod damage;
mod gc;
mod needs;
mod pin;
mod pull;
mod push;
pub(super) mod remote;
mod status;
mod verify;

use std::io::IsTerminal;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::Exit;
use super::failure::Failure;
use super::project::Project;

/// `pipe cache`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache status
  pipe cache verify --sample 5%
  pipe cache gc --dry-run
  pipe cache pin model
  pipe cache push
  pipe cache pull -f pipelines/full.yaml")]
pub(super) struct CacheArguments {
    #[command(subcommand)]
    pub verb: CacheVerb,
}

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// Show what the store takes, and what could go.
    Status(status::StatusArguments),
    /// Send to the remote what it lacks of a run.
    Push(push::PushArguments),
    /// Fetch from the remote what the store lacks of a pipeline.
    Pull(pull::PullArguments),
    /// Hash what the store has anew; what is damaged is put aside and named.
    Verify(verify::VerifyArguments),
    /// Remove what nothing needs.
    Gc(gc::GcArguments),
    /// Keep something from being removed; without arguments, list what is kept so.
    Pin(pin::PinArguments),
}

impl CacheArguments {
    /// Whether errors are to be written as JSON too.
    pub(super) fn wants_json(&self) -> bool {
        match &self.verb {
            CacheVerb::Status(arguments) => arguments.json,
            CacheVerb::Push(arguments) => arguments.json,
            CacheVerb::Pull(arguments) => arguments.json,
            CacheVerb::Verify(arguments) => arguments.json,
            CacheVerb::Gc(arguments) => arguments.json,
            CacheVerb::Pin(arguments) => arguments.json,
        }
    }
}

pub(super) fn run(project: &Project, arguments: &CacheArguments) -> Result<Exit, Failure> {
    match &arguments.verb {
        CacheVerb::Status(arguments) => status::run(project, arguments),
        CacheVerb::Push(arguments) => push::run(project, arguments),
        CacheVerb::Pull(arguments) => pull::run(project, arguments),
        CacheVerb::Verify(arguments) => verify::run(project, arguments),
        CacheVerb::Gc(arguments) => gc::run(project, arguments),
        CacheVerb::Pin(arguments) => pin::run(project, arguments),
    }
}

/// A bar on standard error for a person who waits; nothing for anybody else. `form` names what is counted.
fn bar(form: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(form).expect("a template of ours");
    ProgressBar::no_length().with_style(style)
}
