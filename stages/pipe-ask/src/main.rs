//! The program `pipe-ask`, which `pipe ask` starts: reports of one host in, an enriched report out.
//!
//! - [`arguments`]: the command line. [`ask`]: from reports to answers. [`output`]: the enriched report and lines of JSON, wherever they go.
//!   [`files`]: those that the command line names. [`page`]: the readable form. [`runtime`]: the program that asks a model.
//!   [`progress`]: what is shown meanwhile. [`interrupt`]: signals, and files that are written as a whole.

mod arguments;
mod ask;
mod files;
mod interrupt;
mod output;
mod page;
mod progress;
mod runtime;

use std::borrow::Cow;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use contract::{FailureClass, StageError, clean};

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return refuse(&refusal),
    };
    match interrupt::listen().and_then(|()| ask::run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Prints help, the version, or the error in the arguments, which may repeat a word of them.
fn refuse(refusal: &clap::Error) -> ExitCode {
    let acts = std::env::args_os().any(|word| matches!(clean::line(&word.to_string_lossy()), Cow::Owned(_)));
    if refusal.use_stderr() && acts {
        output::errors(&clean::escaped(&refusal.render().to_string()));
    } else if let Err(failure) = output::printed(refusal.print().and_then(|()| std::io::stdout().flush()))
        && !refusal.use_stderr()
    {
        return report(&failure);
    }
    ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2))
}

/// Says what went wrong. The codes are those of `pipe`: 2 for what was given, 3 for what broke.
fn report(StageError { class, message, help }: &StageError) -> ExitCode {
    output::errors(&format!("error: {}\n", clean::escaped(message)));
    if let Some(help) = help {
        output::errors(&format!("help: {}\n", clean::escaped(help)));
    }
    ExitCode::from(if *class == FailureClass::InvalidInput { 2 } else { 3 })
}
