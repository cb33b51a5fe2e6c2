//! The command line: one file a verb. `Ok` carries the exit code of a command that did its work, whether or not its result is good.

mod arguments;
mod backend;
mod cache;
mod check;
mod cli;
mod complete;
mod completions;
mod config;
mod diff;
mod exit;
mod failure;
mod get;
mod graph;
mod init;
mod logs;
mod made;
mod output;
mod plan;
mod programs;
mod project;
mod run;
mod run_dir;
mod runs;
mod schema;
mod shell;
mod show;
mod stages;
mod why;
mod worker;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Verb};
pub use exit::Exit;
use failure::Failure;
use project::Project;

use crate::report::clean;
use crate::report::style::Color;
use crate::signals;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    signals::begin();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return refuse(&explained(refusal)),
    };
    let json = cli.verb.wants_json();
    if let Err(failure) = enter(&cli) {
        return failure.report(json).into();
    }
    let flags = cli.flags();
    let project = || Project::find(&flags);
    let result = match cli.verb {
        Verb::Run(arguments) => project().and_then(|it| run::run(&it, &arguments)),
        Verb::Plan(arguments) => project().and_then(|it| plan::run(&it, &arguments)),
        Verb::Why(arguments) => project().and_then(|it| why::run(&it, &arguments)),
        Verb::Check(arguments) => project().and_then(|it| check::run(&it, &arguments)),
        Verb::Graph(arguments) => project().and_then(|it| graph::run(&it, &arguments)),
        Verb::Stages(arguments) => project().and_then(|it| stages::run(&it, &arguments)),
        Verb::Logs(arguments) => project().and_then(|it| logs::run(&it, &arguments)),
        Verb::Show(arguments) => project().and_then(|it| show::run(&it, &arguments)),
        Verb::Get(arguments) => project().and_then(|it| get::run(&it, &arguments)),
        Verb::Shell(arguments) => project().and_then(|it| shell::run(&it, arguments)),
        Verb::Runs(arguments) => project().and_then(|it| runs::run(&it, &arguments)),
        Verb::Diff(arguments) => project().and_then(|it| diff::run(&it, &arguments)),
        Verb::Config(arguments) => project().and_then(|it| config::run(&it, &arguments)),
        Verb::Cache(arguments) => project().and_then(|it| cache::run(&it, &arguments)),
        Verb::Backend(arguments) => project().and_then(|it| backend::run(&it, &arguments)),
        Verb::Schema(arguments) => schema::run(project, &arguments),
        Verb::Init(arguments) => init::run(&flags, &arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
        Verb::Program(words) => match programs::run(&words, cli.store.as_deref()) {
            Ok(refusal) => return refuse(&refusal),
            Err(failure) => Err(failure),
        },
        Verb::Guardian => return crate::backend::guardian::main(),
        Verb::Worker(arguments) => match worker::run(&arguments) {
            Ok(status) => return ExitCode::from(status),
            Err(failure) => Err(failure),
        },
    };
    let exit = result.unwrap_or_else(|failure: Failure| failure.report(json));
    repairs();
    written(exit).into()
}

/// The exit code of a command that ended with `exit`: its output must have been written.
fn written(exit: Exit) -> Exit {
    let Some(error) = output::trouble() else { return exit };
    output::errors(&format!("{} cannot write to standard output: {error}\n", Color::of_stderr().error("error:")));
    if exit == Exit::Success { Exit::Broken } else { exit }
}

/// Reports the repairs that were made in the store on the way, also when the command failed.
fn repairs() {
    for line in crate::store::repairs() {
        output::errors(&format!("note: {line}\n"));
    }
}

/// The same refusal, where programs have a part in it: help lists them, and one of them may be meant by a word that is no verb.
fn explained(refusal: clap::Error) -> clap::Error {
    let command = match refusal.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            programs::in_help(Cli::command())
        }
        // `help NAME`.
        clap::error::ErrorKind::InvalidSubcommand => programs::as_verbs(Cli::command()),
        _ => return refusal,
    };
    command.try_get_matches().err().unwrap_or(refusal)
}

/// Prints help, the version, or the error in the arguments, which may repeat a word of them.
fn refuse(refusal: &clap::Error) -> ExitCode {
    let spoken = std::env::args_os().any(|word| matches!(clean::cell(&word.to_string_lossy()), Cow::Owned(_)));
    if spoken && refusal.use_stderr() {
        output::errors(&refusal.render().to_string());
    } else {
        let printed = refusal.print();
        if !refusal.use_stderr() {
            output::note(printed);
        }
    }
    match written(Exit::Success) {
        Exit::Success => ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2)),
        broken => broken.into(),
    }
}

/// Makes the last of the directories the working directory, each of them relative to the one before. Done before anything looks
/// around: every path on the line is meant from there.
fn enter(cli: &Cli) -> Result<(), Failure> {
    let directories: Vec<OsString> = match &cli.verb {
        _ if cli.directories.is_empty() => Vec::new(),
        // The words behind it are the program's own.
        Verb::Program(_) => cli.directories.iter().map(|directory| directory.as_os_str().to_owned()).collect(),
        _ => complete::directories(&std::env::args_os().collect::<Vec<_>>(), &mut Cli::command()),
    };
    for directory in &directories {
        let directory = Path::new(directory);
        std::env::set_current_dir(directory).map_err(|error| {
            let message = match error.kind() {
                ErrorKind::NotFound => format!("-C {}: there is no such directory", directory.display()),
                ErrorKind::NotADirectory => format!("-C {}: not a directory", directory.display()),
                _ => format!("-C {}: {error}", directory.display()),
            };
            Failure::usage(message, "name a directory; the command acts as if it were started there".to_owned())
        })?;
    }
    Ok(())
}
