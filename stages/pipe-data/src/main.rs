//! The worker `pipe-data`: `pipe-data run JOB.json`, started by the engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    contract::worker::main("pipe-data", pipe_data::KINDS)
}
