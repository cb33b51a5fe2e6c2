//! Programs as verbs: `pipe NAME` starts `pipe-NAME`, which lies beside this program or on PATH, as git and cargo do.
//!
//! The program takes this one's place, so its exit code, its signals and its streams are those of the command. Workers and the programs of
//! places have such names too. They are started when somebody asks for one, and never offered.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory};
use contract::Worker;

use super::cli::Cli;
use super::complete::names;
use super::failure::Failure;
use crate::executor;
use crate::plan::Cards;
use crate::remote;

/// What the name of each begins with.
const PREFIX: &str = "pipe-";
/// What clap calls the words of a program.
const WORDS: &str = "words of a program";

/// Becomes the program that the first word names, with the others as its words. Comes back only when it cannot: where there is no such
/// program, with the refusal of the word.
pub(super) fn run(words: &[OsString], store: Option<&Path>) -> Result<clap::Error, Failure> {
    let (name, words) = words.split_first().unwrap_or((const { &OsString::new() }, &[]));
    let Some(file) = find(name) else {
        let refusal = as_verbs(Cli::command()).try_get_matches().err();
        return Ok(
            refusal.unwrap_or_else(|| Cli::command().error(ErrorKind::InvalidSubcommand, "there is no such verb"))
        );
    };
    if store.is_some() {
        let name = name.display();
        let message = format!("--store is a flag of pipe's own verbs, and `{name}` is the program {PREFIX}{name}");
        return Err(Failure::usage(message, format!("write the flags of {PREFIX}{name} behind its name")));
    }
    let error = process::Command::new(&file).args(words).exec();
    let help = "make it executable, or install it anew".to_owned();
    Err(Failure::usage(format!("cannot start {}: {error}", file.display()), help))
}

/// The file of the program behind a word that is no verb.
fn find(word: &OsStr) -> Option<PathBuf> {
    let name = word.to_str().filter(|name| !name.is_empty() && !name.contains('/'))?;
    executor::find_program(&format!("{PREFIX}{name}"))
}

/// The names that can be offered, sorted.
fn all() -> BTreeSet<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::current_exe().ok().and_then(|file| file.parent().map(Path::to_owned));
    let directories = own.into_iter().chain(std::env::split_paths(&path));
    let entries = directories.filter_map(|directory| directory.read_dir().ok()).flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let served = serving();
    let mut found: BTreeSet<String> = names
        .filter(|name| !served.contains(name))
        .filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_owned()))
        .collect();
    // A file of another sort, or one without the right to be started, is none.
    found.retain(|name| is_word(name) && find(OsStr::new(name)).is_some());
    found
}

/// Whether it can be typed as a verb. Build tools leave files such as `pipe-data.d` beside programs.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Programs that the engine starts itself and that mean nothing to people.
fn serving() -> BTreeSet<String> {
    let cards = Cards::built_in();
    let workers = cards.iter().flatten().filter_map(|card| match &card.worker {
        Worker::Program(name) => Some(name.clone()),
        _ => None,
    });
    workers.chain([remote::OF_AWS.to_owned()]).collect()
}

/// The command line with the programs among its verbs, for completion and for the error about a word that is neither.
pub(super) fn as_verbs(command: Command) -> Command {
    // clap adds `help` itself.
    let is_free = |name: &String| name != "help" && command.find_subcommand(name).is_none();
    // The name lives as long as the process, which ends after one answer.
    let verbs: Vec<Command> = all().into_iter().filter(is_free).map(|name| verb(name.leak())).collect();
    // With a parser for such words, clap allows them whatever the setting says.
    let command = command.external_subcommand_value_parser(Resettable::Reset).allow_external_subcommands(false);
    command.subcommands(verbs)
}

/// A program as a verb.
pub(super) fn verb(name: &'static str) -> Command {
    Command::new(name).about(format!("The program {PREFIX}{name}")).disable_help_flag(true).arg(words())
}

/// Whether it is a program: its words are not read.
pub(super) fn is_program(verb: &Command) -> bool {
    verb.get_positionals().any(|argument| argument.get_id() == WORDS)
}

/// The command line of which only a program's words are looked at: none of them is a flag of pipe's own.
pub(super) fn words_alone() -> Command {
    Command::new("pipe").disable_help_flag(true).arg(words())
}

/// The words of a program, whatever they are. They are completed as files are.
fn words() -> Arg {
    Arg::new(WORDS).num_args(0..).trailing_var_arg(true).allow_hyphen_values(true).add(names::files())
}

/// The command line whose help lists the programs that are found.
pub(super) fn in_help(command: Command) -> Command {
    let names: Vec<String> = all().into_iter().collect();
    if names.is_empty() {
        return command;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_help(format!("{help}\n\nPrograms found: {}", names.join(", ")))
}
