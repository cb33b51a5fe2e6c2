//! The program `pipe-ask`, which `pipe ask` starts: reports of one host in, an enriched report out.
//!
//! - [`arguments`]: the command line. [`ask`]: from reports to answers. [`output`]: the enriched report and lines of JSON, wherever they go.
//!   [`page`]: the readable form. [`runtime`]: the program that asks a model. [`progress`]: what is shown meanwhile. [`interrupt`]: signals,
//!   and files that are written as a whole.

mod arguments;
mod ask;
mod interrupt;
mod output;
mod page;
mod progress;
mod runtime;

use std::process::ExitCode;

use clap::Parser;
use contract::{FailureClass, StageError, clean};

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match interrupt::listen().and_then(|()| ask::run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Says what went wrong. The codes are those of `pipe`: 2 for what was given, 3 for what broke.
fn report(StageError { class, message, help }: &StageError) -> ExitCode {
    output::errors(&format!("error: {}\n", clean::escaped(message)));
    if let Some(help) = help {
        output::errors(&format!("help: {}\n", clean::escaped(help)));
    }
    ExitCode::from(if *class == FailureClass::InvalidInput { 2 } else { 3 })
}
