//! Completion: the answer to a shell when somebody presses Tab. The script of `pipe completions` asks this binary, by clap's protocol of
//! dynamic completion: `COMPLETE=SHELL pipe -- WORDS`.
//!
//! - [`mod@line`]: the words typed so far. [`names`]: the candidates at the cursor. [`past`]: earlier runs. [`shells`]: the scripts.
//!
//! Completing writes only its answer and starts nothing. After any error the answer is empty: the user is in the
//! middle of a line, where an error would only be in the way.

mod line;
pub(super) mod names;
mod past;
pub(super) mod shells;

use std::ffi::OsString;

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;

use super::cli::Cli;
use super::programs;

pub(super) use line::directories;

/// The variable by which a shell asks.
const ASKED: &str = "COMPLETE";

/// Answers a shell that asks for completions; `false` when none does, and the arguments are a command.
pub(super) fn answer() -> bool {
    let Some(shell) = std::env::var_os(ASKED) else { return false };
    let words: Vec<OsString> = std::env::args_os().collect();
    // The name is a common one: a command that happens to run with it set is run all the same.
    let asks = words.len() == 1 || words.get(1).is_some_and(|word| word == "--");
    if !asks || shells::find(&shell).is_none() {
        return false;
    }
    std::panic::set_hook(Box::new(|_| ()));
    // Nobody would read an error, see above.
    let _ = std::panic::catch_unwind(|| complete(words));
    true
}

fn complete(words: Vec<OsString>) {
    let asked = words.get(2..).unwrap_or_default();
    let typed = line::note(asked, &mut offered());
    for directory in typed.all("directories") {
        if std::env::set_current_dir(directory).is_err() {
            return;
        }
    }
    let empty = typed.current.is_empty() && !asked.is_empty();
    let here = std::env::current_dir().ok();
    let answer = CompleteEnv::with_factory(|| match (typed.of_program, empty) {
        (true, _) => programs::words_alone(),
        (false, true) => flags_last(offered()),
        (false, false) => offered(),
    });
    let _ = answer.shells(shells::ALL).completer(shells::program()).try_complete(words, here.as_deref());
}

/// The command line without the hidden verbs, which a shell would otherwise offer.
fn offered() -> Command {
    let all = programs::as_verbs(Cli::command());
    let verbs = all.get_subcommands().filter(|verb| !verb.is_hide_set());
    Command::new("pipe").version(env!("CARGO_PKG_VERSION")).args(all.get_arguments()).subcommands(verbs)
}

/// The same with flags offered only where nothing else can stand: an empty word is followed by a name more often. Built, so that
/// `--help` is among them.
fn flags_last(mut command: Command) -> Command {
    command.build();
    command
        .mut_args(|argument| if argument.is_positional() { argument } else { argument.hide(true) })
        .mut_subcommands(flags_last)
}
