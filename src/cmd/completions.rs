//! `pipe completions`.

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::arguments::Cli;
use super::failure::Failure;
use super::{Exit, output};

/// `pipe completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe completions bash > ~/.local/share/bash-completion/completions/pipe
  pipe completions zsh > ~/.zfunc/_pipe          with ~/.zfunc in fpath, before compinit
  pipe completions fish > ~/.config/fish/completions/pipe.fish")]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

pub fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut offered(), "pipe", &mut script);
    output::bytes(&script);
    Ok(Exit::Success)
}

/// What can be typed, less the verbs that are hidden: the script for bash would offer them.
fn offered() -> Command {
    let all = Cli::command();
    let verbs = all.get_subcommands().filter(|verb| !verb.is_hide_set());
    Command::new("pipe")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments())
        .subcommands(verbs)
}
