//! The program `pipe-ask`, which `pipe ask` starts: reports of one host in, an enriched report out.
//!
//! - [`arguments`]: the command line. [`ask`]: from reports to answers. [`output`]: the enriched report and lines of JSON, wherever they go.
//!   [`page`]: the readable form. [`runtime`]: the program that asks a model.

mod arguments;
mod ask;
mod output;
mod page;
mod runtime;

use std::process::ExitCode;

use clap::Parser;
use contract::{FailureClass, StageError, clean};

use crate::arguments::Arguments;

fn main() -> ExitCode {
    match ask::run(&Arguments::parse()) {
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
