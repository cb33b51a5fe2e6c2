//! `pipe completions`.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::complete::shells;
use super::failure::Failure;
use super::{Exit, output};

/// `pipe completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe completions bash > ~/.local/share/bash-completion/completions/pipe
  pipe completions zsh > ~/.zfunc/_pipe          before compinit, in fpath
  pipe completions fish > ~/.config/fish/completions/pipe.fish

The script asks pipe at every Tab: verbs and flags, pipeline files, the stages and params of the pipeline that is \
named on the line (else of the last run, else of the only one), kinds, runs, backends. Asking writes nothing and \
starts nothing.")]
pub(super) struct CompletionsArguments {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let value = arguments.shell.to_possible_value();
    let known = value.as_ref().and_then(|shell| shells::find(shell.get_name().as_ref()));
    let Some(shell) = known else {
        return Err(Failure::usage(format!("no completions for {}", arguments.shell), None));
    };
    let script = shells::script(shell).map_err(|error| Failure::Broken(error.into()))?;
    output::bytes(&script);
    Ok(Exit::Success)
}
